package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"countersign.dev/authz/audit"
	"countersign.dev/cedar/replay"
	"countersign.dev/cedar/scenario"
)

const nothing = `@id("n") forbid(principal, action, resource);`

// repeated is a text over and over.
type repeated struct {
	text  string
	times int
	rest  string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.times--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A log is read whether or not it is compressed, also when it was compressed in parts.
func TestCompressedLogs(t *testing.T) {
	p := policies(t, everything)
	one := log(t, searching())
	for name, text := range map[string]string{
		"plain": one + one, "compressed": zipped(t, one+one), "in two parts": zipped(t, one) + zipped(t, one),
		"without a last line feed": one + strings.TrimSpace(one), "with carriage returns": strings.Repeat(strings.TrimSpace(one)+"\r\n", 2),
	} {
		if got := replayed(t, p, p, text, replay.Options{}); got.Compared != 2 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := replayed(t, p, p, "", replay.Options{}); got.Lines != 0 {
		t.Errorf("an empty log: %+v", got)
	}
}

// What could be read of a broken log counts, and that it is broken is told.
func TestBrokenLogs(t *testing.T) {
	p := policies(t, everything)
	var many strings.Builder
	for i := range 2000 {
		many.WriteString(log(t, searching(func(r *audit.Record) { r.DecisionID = fmt.Sprint(i * 7919) })))
	}
	whole := zipped(t, many.String())
	for name, tc := range map[string]struct {
		in   io.Reader
		want string
		some bool
	}{
		"torn":         {strings.NewReader(whole[:len(whole)*3/4]), "unexpected EOF", true},
		"damaged":      {strings.NewReader(whole[:len(whole)-6] + "abcdef"), "checksum", true},
		"only a start": {strings.NewReader("\x1f\x8b"), "decompressing", false},
		"a bad disk": {io.MultiReader(strings.NewReader(log(t, searching())), iotest.ErrReader(errors.New("bad disk"))),
			"audit.log:2: reading the log: bad disk", true},
	} {
		r := replay.New(p, p, replay.Options{})
		err := r.Read(t.Context(), "audit.log", tc.in)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if report, _ := r.Report(t.Context(), 1); (report.Compared > 0) != tc.some {
			t.Errorf("%s: %d compared", name, report.Compared)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := replay.New(p, p, replay.Options{}).Read(cancelled, "a", strings.NewReader(many.String())); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A line without an end, and a million of the same, take no more memory than one.
func TestEndlessLogsTakeNoMemory(t *testing.T) {
	p, none := policies(t, everything), policies(t, nothing)
	line := log(t, searching())
	var told int
	r := replay.New(p, none, replay.Options{Progress: func(lines int) { told = lines }})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := r.Read(t.Context(), "a", &repeated{text: line, times: 10_000}); err != nil {
		t.Fatal(err)
	}
	if err := r.Read(t.Context(), "b", &repeated{text: strings.Repeat("a", 1<<20), times: 200}); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	report, err := r.Report(t.Context(), 10)
	if err != nil || report.Groups[0].Count != 10_000 || len(report.Groups) != 1 || report.NotAsked[replay.Unreadable] != 1 || told != 8192 {
		t.Errorf("%+v %v, told %d", report, err, told)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 16<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}

// Whoever makes up names fills the groups and not the memory; what has no group is still counted.
func TestGroupsAreBounded(t *testing.T) {
	p, none := policies(t, everything), policies(t, nothing)
	template := log(t, searching(func(r *audit.Record) { r.Targets = []string{"tool-7"} }))
	var text strings.Builder
	for i := range 10_050 {
		text.WriteString(strings.Replace(template, "tool-7", fmt.Sprint("tool", i), 1))
	}
	text.WriteString(strings.Replace(template, "tool-7", "tool7", 1))
	got := replayed(t, p, none, text.String(), replay.Options{})
	if got.Flips[replay.Narrowed] != 10_051 || got.Ungrouped[replay.Narrowed] != 50 || got.MoreGroups != 9900 || got.Groups[0].Target != "tool7" {
		t.Errorf("%v, %v, %d more", got.Flips, got.Ungrouped, got.MoreGroups)
	}
	if text := string(plan(t, got)); !strings.Contains(text, "9900 more groups are not shown.") ||
		!strings.Contains(text, "50 more flips are in no group, because there are too many: 50 narrowed.") {
		t.Errorf("%s", text[len(text)-600:])
	}
	long := searching(func(r *audit.Record) { r.DecisionID = strings.Repeat("x", scenario.MaxLine/2) })
	if got = replayed(t, p, none, log(t, long), replay.Options{Explain: true}); len(got.Groups) != 1 || len(got.Groups[0].Example) > 128 {
		t.Errorf("%d groups, %v", len(got.Groups), got.Ungrouped)
	}
}

// Times are what they are, in whatever order lines come.
func TestTimesOutOfOrder(t *testing.T) {
	p, none := policies(t, everything), policies(t, nothing)
	at := func(d time.Duration) audit.Record {
		return searching(func(r *audit.Record) { r.Time = noon.Add(d).In(time.FixedZone("", 3600)) })
	}
	got := replayed(t, p, none, log(t, at(0), at(time.Hour), at(-time.Hour), at(time.Minute)), replay.Options{})
	for _, span := range [][2]time.Time{{got.First, got.Last}, {got.Groups[0].First, got.Groups[0].Last}} {
		if !span[0].Equal(noon.Add(-time.Hour)) || !span[1].Equal(noon.Add(time.Hour)) {
			t.Errorf("%s", span)
		}
	}
}

// A plan that cannot be written is told.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestAFullDisk(t *testing.T) {
	p := policies(t, everything)
	if err := replayed(t, p, p, "", replay.Options{}).Text(full{}, true); err == nil || err.Error() != "writing the plan: no space" {
		t.Error(err)
	}
}

// Whatever is in a log: every line is accounted for, the same policies change nothing, and the plan stays printable.
func FuzzRead(f *testing.F) {
	one := log(f, searching())
	for _, seed := range []string{
		one, one[:100], one + one, strings.TrimSpace(one) + one, zipped(f, one), "\x1f\x8b", `{"decision":"allow","decision_id":"\u001b[2J"}`,
		log(f, searching(func(r *audit.Record) { r.Subject, r.Targets = "\x1b[2J", []string{"\u202e"} })),
		log(f, searching(func(r *audit.Record) { r.Method, r.Targets = "subscriptions/listen", []string{"file:///a", "", "x"} })),
		log(f, searching(func(r *audit.Record) { r.Method, r.Targets = "completion/complete", []string{"a:b"} })),
	} {
		f.Add([]byte(seed))
	}
	p, none := policies(f, everything), policies(f, nothing)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, after := range []string{"same", "none"} {
			to := p
			if after == "none" {
				to = none
			}
			r := replay.New(p, to, replay.Options{Explain: true})
			broken := r.Read(t.Context(), "log", bytes.NewReader(text))
			report, err := r.Report(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			if n := report.LeftOut + report.Undecided + report.Compared + sum(report.NotAsked); n != report.Lines {
				t.Fatalf("%d of %d lines are accounted for (%v)", n, report.Lines, broken)
			}
			if sum(report.NoQuestion) != report.NotAsked[replay.NoQuestion] || len(report.NoQuestion) > 11 {
				t.Fatalf("%v for %v", report.NoQuestion, report.NotAsked)
			}
			if want := map[string]int{"none": report.Compared}[after]; report.Changes() != want {
				t.Fatalf("%d changes, want %d", report.Changes(), want)
			}
			if shown := plan(t, report); bytes.ContainsAny(shown, "\x1b\r\u202e") {
				t.Fatalf("%q", shown)
			}
		}
	})
}
