//go:build !linux

package stage

import "syscall"

// attributes keeps a child out of the terminal's process group, so that Ctrl-C reaches the stage alone, which then ends
// its processes in order.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
