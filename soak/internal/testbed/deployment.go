package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed/stack"
)

// Shipment says how to run a subject's image in a container of its own, in the
// network of a Kafka, with the limits of production.
type Shipment struct {
	Name     string // of the container; one that has it is removed
	Image    string
	Args     []string
	Settings map[string]string // its environment
	Network  string
	Certs    string // directory of this machine that it sees as CertsInside
	LogPath  string // receives what it printed, when it has ended
}

const (
	// CertsInside is where a container finds the exchange's certificate.
	CertsInside = "/certs"
	shippedPort = "9091"
	shippedCPUs = "0.5"
	shippedMB   = "512m"
)

// StartShipped starts a container. That it runs does not mean that it works.
func StartShipped(ctx context.Context, s Shipment) (Process, *Endpoints, error) {
	if err := RemoveShipped(ctx, s.Name); err != nil {
		return nil, nil, err
	}
	args := []string{"run", "--detach", "--name", s.Name, "--hostname", s.Name, "--network", s.Network, "--label", containerLabel,
		"--read-only", "--cpus", shippedCPUs, "--memory", shippedMB, "--volume", s.Certs + ":" + CertsInside + ":ro",
		"--publish", "127.0.0.1::" + shippedPort, "--env", "STREAMER_HTTP=:" + shippedPort}
	for name, value := range s.Settings {
		args = append(args, "--env", name+"="+value)
	}
	if _, err := docker(ctx, append(append(args, s.Image), s.Args...)...); err != nil {
		return nil, nil, fmt.Errorf("start container %s: %w", s.Name, err)
	}
	return FindShipped(ctx, s.Name, s.LogPath)
}

// FindShipped takes charge of a container that runs.
func FindShipped(ctx context.Context, name, logPath string) (Process, *Endpoints, error) {
	container, err := stack.Follow(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	address, err := docker(ctx, "port", name, shippedPort+"/tcp")
	if err != nil {
		return nil, nil, fmt.Errorf("look for the address of %s: %w", name, err)
	}
	address, _, _ = strings.Cut(address, "\n")
	return &Contained{Container: container, logPath: logPath}, NewEndpoints(address), nil
}

// RemoveShipped removes containers, running or not; that there is none is fine.
func RemoveShipped(ctx context.Context, names ...string) error {
	if _, err := docker(ctx, append([]string{"rm", "--force", "--volumes"}, names...)...); err != nil && !strings.Contains(err.Error(), "No such container") {
		return fmt.Errorf("remove containers: %w", err)
	}
	return nil
}

// DescribeImage says what an image is: the version in its label, and its hash.
func DescribeImage(ctx context.Context, subject soak.Subject) (soak.SubjectBuild, error) {
	build := soak.SubjectBuild{Name: subject.Name, Command: strings.Join(subject.Command, " ")}
	said, err := docker(ctx, "image", "inspect", "--format", `{{.Id}} {{index .Config.Labels "org.opencontainers.image.version"}}`, subject.Command[0])
	if err != nil {
		return build, fmt.Errorf("look at image %s: %w; make images builds ours", subject.Command[0], err)
	}
	hash, version, _ := strings.Cut(said, " ")
	build.SHA256, build.Version = strings.TrimPrefix(hash, "sha256:"), version
	return build, nil
}

// Deployment is one use of the deployment script.
type Deployment struct {
	Script   string // path
	Blue     string // container that runs
	Image    string // of what is to take its place
	Settings []string
	LogPath  string // receives what the script said
}

// Errors of a deployment.
var (
	// ErrNotDeployed says that the script found the new one wanting, and that
	// the old one delivers again or still.
	ErrNotDeployed = errors.New("the new one was not kept")
	// scriptLines is how much of what a script said is part of an error.
	scriptLines = 6
)

// deployWithin is more than the script takes when everything that it waits for
// comes at the last moment.
const deployWithin = 6 * time.Minute

// Run runs the script and returns the container that delivers in the end; with
// ErrNotDeployed that is the old one, and without a name nobody knows.
func (d Deployment) Run(ctx context.Context) (container string, err error) {
	ctx, cancel := context.WithTimeout(ctx, deployWithin)
	defer cancel()
	script, err := filepath.Abs(d.Script)
	if err != nil {
		return "", fmt.Errorf("find the deployment script: %w", err)
	}
	log, err := os.OpenFile(d.LogPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return "", fmt.Errorf("open the log of the deployment: %w", err)
	}
	defer log.Close()
	command := exec.CommandContext(ctx, script, d.Blue, d.Image)
	command.Env = append(command.Environ(), d.Settings...)
	command.WaitDelay = time.Second // for what the script may have left running
	var stdout bytes.Buffer
	command.Stdout, command.Stderr = &stdout, log
	err = command.Run()
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	verb, rest, _ := strings.Cut(lines[len(lines)-1], " ")
	container, _, _ = strings.Cut(rest, " ")
	switch code := command.ProcessState.ExitCode(); {
	case err == nil && verb == "deployed":
		return container, nil
	case code == 1 && verb == "kept":
		return container, fmt.Errorf("%w: %s", ErrNotDeployed, d.said())
	case err == nil:
		return "", fmt.Errorf("%s %s %s ended well and did not say who delivers: %s", path.Base(d.Script), d.Blue, d.Image, d.said())
	default:
		return "", fmt.Errorf("%s %s %s: %w: %s", path.Base(d.Script), d.Blue, d.Image, errors.Join(err, context.Cause(ctx)), d.said())
	}
}

// said is the end of what the script said.
func (d Deployment) said() string {
	lines, err := lastLines(d.LogPath)
	if err != nil {
		return err.Error()
	}
	return strings.Join(lines[max(0, len(lines)-scriptLines):], "; ")
}
