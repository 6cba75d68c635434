package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is a running subject. Local is a process of this machine; a subject
// in a container is the other kind that the harness knows.
type Process interface {
	// Name is what samples, events and the log file call it.
	Name() string
	// Reading asks the operating system for its memory, CPU time, threads
	// and descriptors.
	Reading(ctx context.Context) (Reading, error)
	// Terminate asks it to drain, kills it when it is still there after
	// within, and returns how it ended.
	Terminate(within time.Duration) Exit
	// Kill ends it at once and waits until it is gone.
	Kill()
	// Pause stops it where it stands, as a machine that hangs does: it keeps
	// its memory and connections and does nothing. Resume lets it go on.
	Pause() error
	Resume() error
	// Exited is closed when it has ended.
	Exited() <-chan struct{}
	// Exit says how it ended; only valid once Exited is closed.
	Exit() Exit
	// Tail returns its last lines of output.
	Tail() []string
}

// Exit is how a process ended.
type Exit struct {
	Code   int    // -1 when a signal ended it
	Text   string // such as "exit status 0" or "signal: killed"
	Forced bool   // it did not end within the time it was given and was killed
}

// Clean says that the process ended by itself and reported success.
func (e Exit) Clean() bool { return e.Code == 0 && !e.Forced }

// Limits of what is shown of a subject's output when it fails.
const (
	tailLines = 5       // enough for an error and what led to it, short enough for a terminal
	tailBytes = 8 << 10 // read from the end of the log: five long JSON lines fit
)

// Command says how to start a Local process.
type Command struct {
	Name    string   // of the subject
	Args    []string // program and arguments
	Env     []string // complete: nothing is inherited
	LogPath string   // receives stdout and stderr
}

// Local is a subject that runs as a process of this machine, in a process
// group of its own. It dies with the harness where the system can do that.
type Local struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	exited  chan struct{}
	exit    Exit // set before exited is closed
}

var _ Process = (*Local)(nil)

// FindProgram resolves the program of a subject's command line to a path, and
// says in one sentence why it cannot be run. It is asked before anything else
// is started.
func FindProgram(args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("the subject's command line is empty")
	}
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		for inner := err; inner != nil; inner = errors.Unwrap(inner) {
			err = inner // the innermost is the reason; those around it repeat the name
		}
		return "", fmt.Errorf("the subject %s cannot be run: %w", args[0], err)
	}
	return filepath.Abs(path)
}

// StartLocal starts a process and returns when it runs.
func StartLocal(command Command) (*Local, error) {
	path, err := FindProgram(command.Args)
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(command.LogPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", command.Name, err)
	}
	defer output.Close() // the process holds its own copy

	cmd := exec.Command(path, command.Args[1:]...)
	cmd.Env = command.Env
	cmd.Stdout, cmd.Stderr = output, output // a file, so no goroutine copies and nothing is lost when the harness dies
	cmd.SysProcAttr = ownGroup()
	p := &Local{name: command.Name, logPath: command.LogPath, cmd: cmd, exited: make(chan struct{})}

	started := make(chan error, 1)
	go p.reap(started) // ends with the process
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Name, err)
	}
	return p, nil
}

// reap starts the process and waits for it on one and the same thread: Linux
// sends the parent-death signal when the thread that forked ends, not the
// process, so that thread has to stay.
func (p *Local) reap(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	err := p.cmd.Wait()
	p.exit.Code, p.exit.Text = p.cmd.ProcessState.ExitCode(), p.cmd.ProcessState.String()
	if err != nil && p.exit.Code == 0 {
		p.exit.Code, p.exit.Text = -1, err.Error()
	}
	p.signalGroup(syscall.SIGKILL) // what it may have started and left behind
}

// Name implements Process.
func (p *Local) Name() string { return p.name }

// PID is the process id.
func (p *Local) PID() int { return p.cmd.Process.Pid }

// Exited implements Process.
func (p *Local) Exited() <-chan struct{} { return p.exited }

// Exit implements Process.
func (p *Local) Exit() Exit {
	<-p.exited
	return p.exit
}

// Terminate implements Process.
func (p *Local) Terminate(within time.Duration) Exit {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // its only failure is that the process has ended, which is what is wanted
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-p.exited:
		return p.exit
	case <-limit.C:
		p.Kill()
		forced := p.exit
		forced.Forced = true
		return forced
	}
}

// Kill implements Process.
func (p *Local) Kill() {
	select {
	case <-p.exited:
		return
	default:
	}
	p.signalGroup(syscall.SIGKILL)
	<-p.exited
}

// Pause implements Process.
func (p *Local) Pause() error { return p.stopOrGo(syscall.SIGSTOP) }

// Resume implements Process.
func (p *Local) Resume() error { return p.stopOrGo(syscall.SIGCONT) }

func (p *Local) stopOrGo(signal syscall.Signal) error {
	select {
	case <-p.exited:
		return fmt.Errorf("send %s a signal (%s): it has ended: %s", p.name, signal, p.exit.Text)
	default:
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, signal); err != nil {
		return fmt.Errorf("send %s a signal (%s): %w", p.name, signal, err)
	}
	return nil
}

// signalGroup reaches the process and everything it started. A group that is
// gone already is no error here.
func (p *Local) signalGroup(signal syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, signal)
}

// Tail implements Process.
func (p *Local) Tail() []string {
	return tail(p.logPath)
}

// tail is the end of a log, or why there is none.
func tail(path string) []string {
	lines, err := lastLines(path)
	if err != nil {
		return []string{err.Error()}
	}
	return lines
}

func lastLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("seek %s: %w", path, err)
	}
	from := max(0, size-tailBytes)
	text, err := io.ReadAll(io.NewSectionReader(f, from, tailBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if from > 0 { // most likely in the middle of a line
		if _, rest, found := bytes.Cut(text, []byte("\n")); found {
			text = rest
		}
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil, nil
	}
	return lines[max(0, len(lines)-tailLines):], nil
}
