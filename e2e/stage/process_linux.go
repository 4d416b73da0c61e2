package stage

import "syscall"

// attributes keeps a child out of the terminal's process group, so that Ctrl-C reaches the stage alone, which then ends
// its processes in order; and has the kernel end the child if the stage dies without a chance to do so.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
