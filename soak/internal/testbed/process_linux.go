package testbed

import "syscall"

// ownGroup puts a process in a group of its own, so that a ctrl-C at the
// terminal reaches the harness alone, and has the kernel kill it when the
// harness dies, however that happens.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
