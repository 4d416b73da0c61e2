package statuslist

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever is in a list: it is refused, or every index either has a status that fits its bits, or none.
func FuzzDecodeList(f *testing.F) {
	for _, list := range [][]byte{nil, {0}, {0xb9, 0xa3}, bytes.Repeat([]byte{7}, 4096)} {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		_, _ = w.Write(list) // to memory
		_ = w.Close()
		f.Add(1, base64.RawURLEncoding.EncodeToString(b.Bytes()), 0)
		f.Add(2, base64.RawURLEncoding.EncodeToString(b.Bytes()[:b.Len()/2]), 5)
		f.Add(8, base64.RawURLEncoding.EncodeToString(append(b.Bytes(), b.Bytes()...)), 1<<27)
	}
	f.Add(3, "", -1)
	f.Add(4, "eNrbuRgAAhcBXQ", 3)
	f.Fuzz(func(t *testing.T, bits int, lst string, index int) {
		l, err := decodeList(bits, lst)
		if err != nil {
			if l.bytes != nil {
				t.Fatal("an error and a list")
			}
			return
		}
		if len(l.bytes) > MaxList {
			t.Fatalf("%d bytes", len(l.bytes))
		}
		status, err := l.at(index)
		if there := index >= 0 && index < len(l.bytes)*8/bits; there != (err == nil) {
			t.Fatalf("status %d of %d bytes: %v", index, len(l.bytes), err)
		}
		if int(status) >= 1<<bits {
			t.Fatalf("a status of %#x with %d bits", status, bits)
		}
	})
}

// A list that is used is fetched again before its time is over; one that nobody asks for is left alone.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &entry{uri: "https://127.0.0.1:1/", caFile: "missing", clock: time.Now, log: slog.New(slog.DiscardHandler)}
		lists := &Lists{entries: []*entry{e}}
		ctx, cancel := context.WithCancel(t.Context())
		go lists.Run(ctx)
		failures := func() uint64 {
			synctest.Wait()
			return e.state().Failures
		}
		time.Sleep(2 * time.Hour)
		if n := failures(); n != 0 {
			t.Errorf("a list that nobody asked for was fetched %d times", n)
		}
		now := time.Now()
		e.mu.Lock()
		e.held, e.fetched, e.wanted, e.started = verified{list: list{1, []byte{0}}, ttl: 400 * time.Second, expiry: now.Add(time.Hour)}, now, now, now
		e.mu.Unlock()
		time.Sleep(299 * time.Second)
		if n := failures(); n != 0 {
			t.Errorf("fetched %d times before three quarters of its time were over", n)
		}
		time.Sleep(12 * time.Second)
		if n := failures(); n != 1 {
			t.Errorf("fetched %d times near the end, want once", n)
		}
		time.Sleep(20 * time.Second)
		if n := failures(); n != 2 {
			t.Errorf("fetched %d times, want once more after a pause", n)
		}
		time.Sleep(2 * time.Hour)
		before := failures()
		time.Sleep(time.Hour)
		if n := failures(); n != before {
			t.Errorf("a list that nobody asked for in an hour was fetched %d times more", n-before)
		}
		cancel()
		synctest.Wait()
	})
}

func BenchmarkAt(b *testing.B) {
	l := list{2, make([]byte, 1<<20)}
	b.ReportAllocs()
	for b.Loop() {
		if status, err := l.at(1 << 20); status != 0 || err != nil {
			b.Fatal(status, err)
		}
	}
}
