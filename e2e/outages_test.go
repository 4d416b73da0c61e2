package e2e_test

import (
	"net/http"
	"sync"
	"syscall"
	"testing"

	"countersign.dev/e2e/stage"
)

// Envoy without Countersign lets nothing through, and says that it is an outage and no refusal.
func TestNothingPassesWithoutCountersign(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
	}{
		{"it ended", syscall.SIGTERM},
		{"it crashed", syscall.SIGKILL},
		{"it hangs", syscall.SIGSTOP},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := raise(t, stage.Options{})
			planner, token := client(t, st, "planner", "2"), grant(t, st)
			if got := readCase(planner, st, token).must(t); !got.succeeded() {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			if err := st.Countersign[0].Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if c.signal == syscall.SIGSTOP {
				t.Cleanup(func() {
					if err := st.Countersign[0].Signal(syscall.SIGCONT); err != nil {
						t.Error(err)
					}
				})
			} else {
				<-st.Countersign[0].Exited()
			}
			reached := watch(t, st, "crm")
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodOptions} {
				call := readCase(planner, st, token)
				call.method = method
				if method != http.MethodPost {
					call.body, call.length = nil, 0
				}
				if got := call.must(t); got.status != http.StatusServiceUnavailable {
					t.Errorf("%s: got %d %s, want 503", method, got.status, got.body)
				}
			}
			if arrived := reached(); len(arrived) != 0 {
				t.Errorf("reached the server: %v", arrived)
			}
		})
	}
}

// A replica that is told to end finishes what it began, and the other one takes over: no call fails, none is decided
// otherwise.
func TestReplicaEndsWithoutAFailedCall(t *testing.T) {
	st := raise(t, stage.Options{Replicas: 2})
	token := grant(t, st)
	const callers, before, after = 4, 50, 200
	var half, done sync.WaitGroup
	half.Add(callers)
	for range callers {
		planner := client(t, st, "planner", "2")
		done.Go(func() {
			for i := range before + after {
				if i == before {
					half.Done()
				}
				if got, err := readCase(planner, st, token).do(t); err != nil || !got.succeeded() {
					t.Errorf("call %d: %d %s %v", i, got.status, got.body, err)
				}
			}
		})
	}
	half.Wait()
	if err := st.Countersign[1].Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := st.Countersign[1].Err(); err != nil {
		t.Errorf("it ended with %v, want exit status 0", err)
	}
	done.Wait()
}
