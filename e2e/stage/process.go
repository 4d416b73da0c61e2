package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// graceful is how long a process may take to end after SIGTERM before it is killed.
const graceful = 10 * time.Second

// Process is one program running on the stage. What it prints is kept in a file.
type Process struct {
	// Name says what it is, such as "envoy".
	Name string
	// Log is the file with its standard error, and its standard output unless that is a pipe.
	Log string

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	exited chan struct{}
	err    error // how it ended; valid after exited is closed
}

// start runs a program with its output in dir/name.log. With piped, its standard input and output are pipes.
func start(dir, name string, piped bool, program string, args ...string) (*Process, error) {
	p := &Process{Name: name, Log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = attributes()
	if piped {
		p.cmd.Stdout = nil
		if p.stdin, err = p.cmd.StdinPipe(); err != nil {
			return nil, fmt.Errorf("opening the input of %s: %w", name, err)
		}
		if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
			return nil, fmt.Errorf("opening the output of %s: %w", name, err)
		}
	}
	started := make(chan error, 1)
	go func() {
		// The kernel ends the child when the thread that started it ends, so that thread stays with the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		// Not Wait, which would close the output pipe before it was read to the end.
		state, err := p.cmd.Process.Wait()
		if err == nil && !state.Success() {
			err = &exec.ExitError{ProcessState: state}
		}
		p.err = err
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("sending %v to %s: %w", s, p.Name, err)
	}
	return nil
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err says how the process ended; nil means with exit status 0. It waits for the end.
func (p *Process) Err() error {
	<-p.exited
	return p.err
}

// Stop ends the process, at first politely, and returns when it is gone.
func (p *Process) Stop() {
	if p.stdin != nil {
		_ = p.stdin.Close() // it may have gone already
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(graceful)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	if p.stdout != nil {
		_ = p.stdout.Close()
	}
}

// failure explains why a process is not there, with the end of what it printed.
func (p *Process) failure(what string, cause error) error {
	printed, err := os.ReadFile(p.Log)
	if err != nil {
		printed = []byte(err.Error())
	}
	const most = 4000
	if len(printed) > most {
		printed = printed[len(printed)-most:]
	}
	return fmt.Errorf("%s: %w\n--- %s printed:\n%s", what, cause, p.Name, strings.TrimSpace(string(printed)))
}

// ready waits until url answers 200, the process ends or ctx is over.
func (p *Process) ready(ctx context.Context, url string) error {
	return p.until(ctx, "answers "+url, func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// until waits for a condition that a process will bring about.
func (p *Process) until(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-p.exited:
			cause := p.err
			if cause == nil {
				cause = errors.New("it ended")
			}
			return p.failure(fmt.Sprintf("waiting until %s %s", p.Name, what), cause)
		case <-ctx.Done():
			return p.failure(fmt.Sprintf("waiting until %s %s", p.Name, what), context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
