//go:build unix && !linux

package testbed

import "syscall"

// ownGroup puts a process in a group of its own, so that a ctrl-C at the
// terminal reaches the harness alone. Only Linux can tie its life to that of
// the harness; elsewhere a subject outlives a harness that is killed with -9.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
