package remote_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"countersign.dev/cedar/bundle"
	"countersign.dev/cedar/bundle/remote"
)

func TestFromPublishedToActive(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	if _, err := w.load(s); err == nil || !s.Usable() {
		t.Errorf("before the first poll: %v", err)
	}
	w.serves(w.bundle(1, "one"))
	news, err := w.poll(s)
	if !news || err != nil {
		t.Fatalf("news %v, error %v", news, err)
	}
	status := s.Status()
	if status.Published == nil || status.Downloaded == nil || status.Verified.Counter != 1 || status.Active.Counter != 1 ||
		status.Active.KeyID != w.key.KeyID || status.Highest != 1 || !status.Signed || !status.Usable || status.LastSuccess.IsZero() || status.LastError != "" {
		t.Errorf("status %+v", status)
	}
	if text, err := w.load(s); err != nil || text != "one" {
		t.Errorf("%q %v", text, err)
	}
	if news, err := w.poll(s); news || err != nil {
		t.Errorf("nothing changed: news %v, error %v", news, err)
	}
	if last := w.requests()[1].Get("If-None-Match"); last == "" {
		t.Error("the second poll has no condition")
	}
	w.serves(w.bundle(2, "two"))
	if news, err := w.poll(s); !news || err != nil || active(s) != 2 {
		t.Errorf("a new one: news %v, error %v, active %d", news, err, active(s))
	}
}

// None of these may change what is in force, all of them must be seen, and the poll after it asks for everything.
func TestWhatIsNotTaken(t *testing.T) {
	w := newWorld(t)
	key, stranger := w.key, newKey(t)
	tagged := func(code int, tag string, data []byte) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("ETag", tag)
			rw.WriteHeader(code)
			_, _ = rw.Write(data)
		}
	}
	body := func(data []byte) http.HandlerFunc { return tagged(http.StatusOK, `"x"`, data) }
	cut := w.bundle(6, "six")
	yesterday, tomorrow := time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"an older one":                      {body(w.bundle(4, "four")), "bundle 4 is older than 5"},
		"another one with the same counter": {body(w.bundle(5, "other")), "needs a higher counter"},
		"not signed":                        {body(w.unsigned(6, "six")), "not signed"},
		"signed by a stranger":              {body(w.signedBy(stranger, w.unsigned(6, "six"))), "not trusted"},
		"for somebody else":                 {body(w.bundle(6, "six", func(m *bundle.Manifest) { m.Name = "staging" })), `the bundle is for "staging", want one for ""`},
		"over":                              {body(w.bundle(6, "six", func(m *bundle.Manifest) { m.NotAfter = yesterday })), "not valid after"},
		"too early":                         {body(w.bundle(6, "six", func(m *bundle.Manifest) { m.NotBefore = tomorrow })), "not valid before"},
		"truncated":                         {body(cut[:len(cut)-9]), "EOF"},
		"something else":                    {body([]byte("<html>sign in</html>")), "not a bundle"},
		"nothing":                           {body(nil), "not a bundle"},
		"too large":                         {body(make([]byte, bundle.MaxSize+1)), "more than 16777216 bytes"},
		"not found":                         {http.NotFound, "404"},
		"an error with a bundle":            {tagged(http.StatusInternalServerError, "", w.bundle(6, "six")), "500"},
		"a part":                            {tagged(http.StatusPartialContent, "", w.bundle(6, "six")), "206"},
		"no content":                        {tagged(http.StatusNoContent, "", nil), "204"},
		"unchanged, with another tag":       {tagged(http.StatusNotModified, `"other"`, nil), "304 Not Modified with ETag"},
		"hangs up":                          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "fetching"},
		"less than announced": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "99999")
			_, _ = rw.Write(cut)
		}, "reading the answer"},
		"redirects elsewhere":               {http.RedirectHandler("https://127.0.0.1:1/x", http.StatusFound).ServeHTTP, "redirects to other servers are refused"},
		"redirects to the same without TLS": {http.RedirectHandler(strings.Replace(w.server.URL, "https", "http", 1), http.StatusFound).ServeHTTP, "redirects to other servers are refused"},
		"redirects in circles":              {http.RedirectHandler("/round", http.StatusFound).ServeHTTP, "more than 3 redirects"},
		"a header of a megabyte":            {tagged(http.StatusOK, strings.Repeat("x", 1<<20), cut), "fetching"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t) // with a server of its own, so that cases do not disturb each other
			w.key = key
			w.trusts(key)
			s := w.source()
			w.serves(w.bundle(5, "five"))
			if _, err := w.poll(s); err != nil {
				t.Fatal(err)
			}
			w.handle(tc.answer)
			news, err := w.poll(s)
			if !news || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("news %v, error %v, want %q", news, err, tc.want)
			}
			if text, err := w.load(s); active(s) != 5 || text != "five" || !s.Usable() {
				t.Errorf("now %d is active: %q %v", active(s), text, err)
			}
			if status := s.Status(); status.LastError == "" || status.Failures != 1 || status.Highest != 5 {
				t.Errorf("status %+v", status)
			}
			if again, same := w.poll(s); again && same.Error() == err.Error() {
				t.Error("the same error is news again")
			}
			w.serves(w.bundle(7, "seven"))
			if _, err := w.poll(s); err != nil || active(s) != 7 {
				t.Errorf("and then 7: %v, active %d", err, active(s))
			}
			requests := w.requests()
			if tag := requests[len(requests)-1].Get("If-None-Match"); tag != "" {
				t.Errorf("after an error it still asked about %s", tag)
			}
		})
	}
}

func TestUnchangedWithoutAQuestion(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	w.fails(http.StatusNotModified)
	if _, err := w.poll(s); err == nil || !strings.Contains(err.Error(), "was not asked") {
		t.Errorf("got %v", err)
	}
}

// The tag says that nothing changed, and the content is another: what came counts.
func TestTagsThatLie(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	for i, text := range []string{"one", "two"} {
		data := w.bundle(uint64(i+1), text)
		w.handle(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("ETag", `"same"`)
			_, _ = rw.Write(data)
		})
		if _, err := w.poll(s); err != nil || active(s) != uint64(i+1) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for name, tag := range map[string]string{"no quotes": "x", "too long": `"` + strings.Repeat("x", 300) + `"`, "a space": `"a b"`, "none": ""} {
		w.handle(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("ETag", tag)
			_, _ = rw.Write(w.bundle(3, "three"))
		})
		for range 2 {
			if _, err := w.poll(s); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		requests := w.requests()
		if got := requests[len(requests)-1].Get("If-None-Match"); got != "" {
			t.Errorf("%s: asked about %q", name, got)
		}
	}
}

func TestASlowServer(t *testing.T) {
	w := newWorld(t)
	w.cfg.Timeout = 50 * time.Millisecond
	s := w.source()
	release := make(chan struct{})
	defer close(release)
	for name, first := range map[string]string{"before the headers": "", "in the middle": "x"} {
		w.handle(func(rw http.ResponseWriter, r *http.Request) {
			if first != "" {
				_, _ = rw.Write([]byte(first))
				_ = http.NewResponseController(rw).Flush()
			}
			select {
			case <-r.Context().Done():
			case <-release:
			}
		})
		if _, err := w.poll(s); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Policies that cannot be loaded stay out, the ones before stay in force, and their counter is not lost.
func TestABundleThatPolicyRefuses(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	w.serves(w.bundle(1, "one"))
	if _, err := w.poll(s); err != nil {
		t.Fatal(err)
	}
	w.serves(w.bundle(2, "broken"))
	if !s.Poll(t.Context()) {
		t.Fatal("no news")
	}
	if text, err := w.load(s); text != "broken" || err != nil {
		t.Fatalf("%q %v", text, err)
	}
	s.Settle(t.Context(), errors.New("syntax error"))
	status := s.Status()
	if status.Active.Counter != 1 || status.Verified.Counter != 2 || status.Refused == nil || status.Refused.Counter != 2 || status.Highest != 1 {
		t.Errorf("status %+v", status)
	}
	if s.Poll(t.Context()) {
		t.Error("the same one is news again")
	}
	if requests := w.requests(); requests[2].Get("If-None-Match") != "" {
		t.Error("it was not downloaded again")
	}
	// Publishing what was right is no way back: it is what is in force.
	w.serves(w.bundle(1, "one"))
	if news, err := w.poll(s); !news || err != nil || active(s) != 1 || s.Status().Refused != nil {
		t.Errorf("news %v, error %v, status %+v", news, err, s.Status())
	}
	s.Settle(t.Context(), errors.New("late")) // nothing was read since
}

func TestARestartNeedsNoNetwork(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	w.serves(w.bundle(5, "five"))
	if _, err := w.poll(s); err != nil {
		t.Fatal(err)
	}
	w.server.Close()

	s = w.source()
	if text, err := w.load(s); err != nil || text != "five" {
		t.Fatalf("after a restart: %q %v", text, err)
	}
	s.Settle(t.Context(), nil)
	if _, err := w.poll(s); err == nil || active(s) != 5 || s.Status().Highest != 5 {
		t.Errorf("without a server: %v, status %+v", err, s.Status())
	}
	if info, err := os.Stat(w.cfg.StateFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state file: %v %v", info, err)
	}
}

func TestARestartForgetsNothing(t *testing.T) {
	w := newWorld(t)
	w.serves(w.bundle(5, "five"))
	if _, err := w.poll(w.source()); err != nil {
		t.Fatal(err)
	}
	w.serves(w.bundle(4, "four"))
	s := w.source()
	if _, err := w.poll(s); err == nil || !strings.Contains(err.Error(), "older than 5") {
		t.Errorf("after a restart: %v", err)
	}
	t.Run("nor does it once the key was changed", func(t *testing.T) {
		next := newKey(t)
		w.trusts(next)
		s := w.source()
		if _, err := w.load(s); err == nil {
			t.Error("what a key signed that is gone still decides")
		}
		w.serves(w.signedBy(next, w.unsigned(4, "four")))
		if _, err := w.poll(s); err == nil || !strings.Contains(err.Error(), "older than 5") {
			t.Errorf("got %v", err)
		}
		w.serves(w.signedBy(next, w.unsigned(6, "six")))
		if _, err := w.poll(s); err != nil || active(s) != 6 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without a file it does", func(t *testing.T) {
		w.trusts(w.key)
		w.cfg.StateFile = ""
		w.serves(w.bundle(1, "one"))
		if _, err := w.poll(w.source()); err != nil {
			t.Error(err)
		}
	})
}

func TestStateFilesThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	w.serves(w.bundle(5, "five"))
	old := time.Now().Add(-time.Hour)
	for name, tc := range map[string]struct {
		state []byte
		want  string // empty if the poll succeeds
	}{
		"garbage":         {[]byte("garbage"), "remove the file to begin"},
		"empty":           {nil, "remove the file to begin"},
		"cut off":         {w.bundle(5, "five")[:50], "remove the file to begin"},
		"too large":       {make([]byte, bundle.MaxSize+1), "more than"},
		"another name":    {w.bundle(5, "five", func(m *bundle.Manifest) { m.Name = "staging" }), `is for "staging", not ""`},
		"a later one":     {w.bundle(9, "nine"), "older than 9"},
		"over":            {w.bundle(3, "three", func(m *bundle.Manifest) { m.NotAfter = old }), ""},
		"over, but later": {w.bundle(6, "six", func(m *bundle.Manifest) { m.NotAfter = old }), "older than 6"},
		"not signed":      {w.unsigned(3, "three"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.write("state", tc.state)
			s := w.source()
			text, err := w.load(s)
			if text != "" && name != "a later one" {
				t.Errorf("it decides: %q %v", text, err)
			}
			_, err = w.poll(s)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if tc.want == "" {
				return
			}
			if err := os.Remove(w.cfg.StateFile); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("repaired while running", func(t *testing.T) {
		w.write("state", []byte("garbage"))
		s := w.source()
		if _, err := w.poll(s); err == nil {
			t.Fatal("it was taken")
		}
		if err := os.Remove(w.cfg.StateFile); err != nil {
			t.Fatal(err)
		}
		if _, err := w.poll(s); err != nil || active(s) != 5 {
			t.Errorf("got %v", err)
		}
	})
}

// A full disk must not keep a new forbid out, and must be seen.
func TestAStateFileThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	w.cfg.StateFile = w.file("gone/state")
	s := w.source()
	w.serves(w.bundle(5, "five"))
	if _, err := w.poll(s); err == nil || !strings.Contains(err.Error(), "keeping the last good bundle") || active(s) != 5 {
		t.Errorf("got %v, active %d", err, active(s))
	}
	if err := os.Mkdir(w.file("gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := w.load(s); err != nil {
		t.Fatal(err)
	}
	s.Settle(t.Context(), nil)
	if err := s.Err(); err != nil {
		t.Errorf("it is there now: %v", err)
	}
	if text, err := w.load(w.source()); err != nil || text != "five" {
		t.Errorf("%q %v", text, err)
	}
}

// A key that is taken out of the file counts no more for what comes, and has nothing answered by 304.
func TestAKeyIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	w.serves(w.bundle(1, "one"))
	if _, err := w.poll(s); err != nil {
		t.Fatal(err)
	}
	next := newKey(t)
	w.trusts(next)
	if _, err := w.poll(s); err == nil || !strings.Contains(err.Error(), "not trusted") || active(s) != 1 {
		t.Errorf("got %v", err)
	}
	w.write("signers.jwks.json", []byte("{}"))
	if _, err := w.poll(s); err == nil || !strings.Contains(err.Error(), "no keys in the set") {
		t.Errorf("got %v", err)
	}
	w.trusts(next)
	w.serves(w.signedBy(next, w.unsigned(1, "one")))
	if _, err := w.poll(s); err != nil || s.Status().Verified.KeyID != next.KeyID {
		t.Errorf("signed again by the new key: %v", err)
	}
}

func TestWithoutKeysSignaturesDoNotMatter(t *testing.T) {
	w := newWorld(t)
	w.cfg.KeysFile = ""
	s := w.source()
	w.serves(w.unsigned(1, "one"))
	if _, err := w.poll(s); err != nil || active(s) != 1 || s.Status().Signed {
		t.Errorf("got %v", err)
	}
	w.serves(w.unsigned(2, "two"))
	if _, err := w.poll(s); err != nil || active(s) != 2 {
		t.Errorf("got %v", err)
	}
	w.serves(w.unsigned(1, "one"))
	if _, err := w.poll(s); err == nil {
		t.Error("an older one was taken")
	}
}

func TestTheBearerToken(t *testing.T) {
	w := newWorld(t)
	w.cfg.BearerFile = w.file("token")
	for name, text := range map[string]string{"empty": "", "two lines": "a\nb", "a space": "secret one", "an umlaut": "ä"} {
		w.write("token", []byte(text))
		if _, err := remote.New(w.cfg, nil); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	w.write("token", []byte("first\n"))
	s := w.source()
	w.serves(w.bundle(1, "one"))
	for i, token := range []string{"first", "second"} {
		w.write("token", []byte(token))
		if _, err := w.poll(s); err != nil {
			t.Fatal(err)
		}
		if got := w.requests()[i].Get("Authorization"); got != "Bearer "+token {
			t.Errorf("sent %q", got)
		}
	}
}

func TestRedirectsWithinTheServer(t *testing.T) {
	w := newWorld(t)
	data := w.bundle(1, "one")
	w.handle(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/latest" {
			http.Redirect(rw, r, "/latest", http.StatusFound)
			return
		}
		_, _ = rw.Write(data)
	})
	if _, err := w.poll(w.source()); err != nil {
		t.Error(err)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.write("garbage", []byte("garbage"))
	for name, tc := range map[string]struct {
		change func(*remote.Config)
		want   string
	}{
		"no URL":               {func(c *remote.Config) { c.URL = "" }, "must be an https URL"},
		"no TLS":               {func(c *remote.Config) { c.URL = "http://127.0.0.1/x" }, "must be an https URL"},
		"a user":               {func(c *remote.Config) { c.URL = "https://me@127.0.0.1/x" }, "must be an https URL"},
		"no URL at all":        {func(c *remote.Config) { c.URL = "https://%zz" }, "the URL"},
		"polls without end":    {func(c *remote.Config) { c.Poll = time.Millisecond }, "at least 1s apart"},
		"waits without end":    {func(c *remote.Config) { c.Timeout = time.Hour }, "at most 5m0s"},
		"a CA that is none":    {func(c *remote.Config) { c.CAFile = w.file("garbage") }, "no PEM certificate"},
		"a CA that is gone":    {func(c *remote.Config) { c.CAFile = w.file("gone") }, "reading the authorities"},
		"keys that are none":   {func(c *remote.Config) { c.KeysFile = w.file("garbage") }, "public keys"},
		"a token that is gone": {func(c *remote.Config) { c.BearerFile = w.file("gone") }, "reading the bearer token"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.cfg
			tc.change(&cfg)
			if _, err := remote.New(cfg, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
