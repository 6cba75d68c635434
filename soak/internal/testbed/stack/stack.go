// Package stack brings docker-compose.soak.yml up and takes it down again: real
// Kafka, a schema registry and the subject's image, with the limits of
// production, for the long runs. It is apart from package testbed because of
// what it needs: compose as a library is larger than all the rest of the
// harness.
//
// One stack runs on a machine at a time. Everything in it has the label
// steadfeed.soak and the name of one compose project, so what a harness left
// behind that was killed is found and removed by the next, and by hand:
// docker ps --all --filter label=steadfeed.soak
//
// Do not use it for a run of minutes: the parts in memory are up in a
// hundredth of the time, and see the same subject.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/compose"
)

// Project is the name of the compose project of a run.
const Project = "steadfeed-soak"

// File is the compose file, in the directory from which the harness is run.
const File = "docker-compose.soak.yml"

const (
	// upWithin: Kafka is ready after 5 s on an idle machine.
	upWithin = 3 * time.Minute
	// downWithin bounds the removal, which must go on when the context of the
	// run has ended.
	downWithin = 2 * time.Minute
)

// Options say what to bring up.
type Options struct {
	Project     string            // of compose; those of different names know nothing of each other; empty: Project
	File        string            // empty: File
	Brokers     int               // of Kafka, 1 or 3; 0: 1
	Environment map[string]string // variables that the compose file leaves open
	// Port finds a free port of the loopback interface.
	Port func() (string, error)
}

// Stack is Kafka and the registry, and then the subject, in containers.
type Stack struct {
	options Options
	engine  *testcontainers.DockerClient
	lock    *os.File
	ports   map[string]string // by variable of the compose file
	gateway string
}

// Up starts Kafka and the registry and waits until both are healthy.
func Up(ctx context.Context, options Options) (_ *Stack, err error) {
	s := &Stack{options: options, ports: map[string]string{}}
	options.Project, options.File = cmp.Or(options.Project, Project), cmp.Or(options.File, File)
	s.options = options
	if n := options.Brokers; n < 0 || n > len(brokers) {
		return nil, fmt.Errorf("bring the stack up: %d brokers: 1 to %d are possible", n, len(brokers))
	}
	if _, err := os.Stat(options.File); err != nil {
		return nil, fmt.Errorf("bring the stack up: %w; run it where the compose file is", err)
	}
	if s.lock, err = lock(options.Project); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.engine, err = testcontainers.NewDockerClientWithOpts(ctx); err != nil {
		return nil, fmt.Errorf("reach Docker Engine: %w; install and start it, then try again", err)
	}
	if err := s.remove(ctx); err != nil {
		return nil, fmt.Errorf("remove what an earlier run left: %w", err)
	}
	for _, variable := range []string{"KAFKA_PORT", "KAFKA_2_PORT", "KAFKA_3_PORT", "REGISTRY_PORT", "STREAMER_PORT", "PROMETHEUS_PORT"} {
		address, err := options.Port()
		if err != nil {
			return nil, err
		}
		if _, s.ports[variable], err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
	}
	if err := s.start(ctx, nil, append(s.BrokerServices(), "registry")...); err != nil {
		return nil, err
	}
	s.gateway, err = s.findGateway(ctx)
	return s, err
}

// start brings services up, with further variables, and waits until they are
// healthy or, without a health check, running.
func (s *Stack) start(ctx context.Context, environment map[string]string, services ...string) error {
	ctx, cancel := context.WithTimeout(ctx, upWithin)
	defer cancel()
	project, err := compose.NewDockerComposeWith(
		compose.StackIdentifier(s.options.Project), compose.WithStackFiles(s.options.File), compose.WithProfiles("streamer", "three", "prometheus"))
	if err != nil {
		return fmt.Errorf("read %s: %w", s.options.File, err)
	}
	defer project.Close()
	variables := maps.Clone(s.ports)
	maps.Copy(variables, s.cluster())
	maps.Copy(variables, s.options.Environment)
	maps.Copy(variables, environment)
	if err := project.WithEnv(variables).Up(ctx, compose.RunServices(services...), compose.Wait(true)); err != nil {
		return fmt.Errorf("bring up %v of %s: %w", services, s.options.File, err)
	}
	return nil
}

// findGateway is the address under which containers reach this machine.
func (s *Stack) findGateway(ctx context.Context) (string, error) {
	networks, err := s.engine.NetworkList(ctx, client.NetworkListOptions{Filters: s.ours()})
	if err != nil {
		return "", fmt.Errorf("look for the stack's network: %w", err)
	}
	for _, network := range networks.Items {
		for _, config := range network.IPAM.Config {
			if config.Gateway.IsValid() {
				return config.Gateway.String(), nil
			}
		}
	}
	return "", errors.New("the stack's network has no gateway")
}

// Gateway is the address of this machine as containers of the stack see it: a
// server that listens there is theirs to reach and nobody else's.
func (s *Stack) Gateway() string { return s.gateway }

// brokers are the services of the compose file that are brokers, in the order
// in which they are taken, and the variables of their ports.
var brokers = []struct{ service, port string }{{"kafka", "KAFKA_PORT"}, {"kafka-2", "KAFKA_2_PORT"}, {"kafka-3", "KAFKA_3_PORT"}}

// cluster are the variables by which several brokers know of each other: each
// partition is on all of them, and can be written while one is away.
func (s *Stack) cluster() map[string]string {
	services := s.BrokerServices()
	if len(services) == 1 {
		return nil
	}
	voters, addresses := make([]string, len(services)), make([]string, len(services))
	for i, service := range services {
		voters[i], addresses[i] = fmt.Sprintf("%d@%s:9093", i+1, service), service+":29092"
	}
	return map[string]string{
		"KAFKA_VOTERS":   strings.Join(voters, ","),
		"SOAK_BROKERS":   strings.Join(addresses, ","),
		"KAFKA_REPLICAS": fmt.Sprint(len(services)),
		"KAFKA_IN_SYNC":  fmt.Sprint(len(services) - 1),
	}
}

// BrokerServices are the names of the brokers that run.
func (s *Stack) BrokerServices() []string {
	services := make([]string, max(s.options.Brokers, 1))
	for i := range services {
		services[i] = brokers[i].service
	}
	return services
}

// Brokers are Kafka's addresses as this machine sees them.
func (s *Stack) Brokers() []string {
	addresses := make([]string, len(s.BrokerServices()))
	for i := range addresses {
		addresses[i] = s.local(brokers[i].port)
	}
	return addresses
}

// RegistryURL is the registry's address as this machine sees it.
func (s *Stack) RegistryURL() string { return "http://" + s.local("REGISTRY_PORT") }

// SubjectAddress is where the subject's metrics and health are.
func (s *Stack) SubjectAddress() string { return s.local("STREAMER_PORT") }

func (s *Stack) local(variable string) string {
	return net.JoinHostPort("127.0.0.1", s.ports[variable])
}

// StartSubject starts the subject's container with variables of the compose
// file. That it runs does not mean that it works.
func (s *Stack) StartSubject(ctx context.Context, environment map[string]string) (*Container, error) {
	running := map[string]string{"STREAMER_RESTART": "no"} // a subject that ends must be seen to
	maps.Copy(running, environment)
	if err := s.start(ctx, running, "streamer"); err != nil {
		return nil, err
	}
	return s.Service(ctx, "streamer")
}

// StartPrometheus starts the Prometheus that watches the subject for alerts.
func (s *Stack) StartPrometheus(ctx context.Context, image string) error {
	return s.start(ctx, map[string]string{"PROMETHEUS_IMAGE": image}, "prometheus")
}

// PrometheusAddress is where it answers.
func (s *Stack) PrometheusAddress() string { return s.local("PROMETHEUS_PORT") }

// Service finds the one container of a service.
func (s *Stack) Service(ctx context.Context, service string) (*Container, error) {
	found, err := s.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: s.ours("com.docker.compose.service=" + service)})
	if err != nil {
		return nil, fmt.Errorf("look for the container of %s: %w", service, err)
	}
	if len(found.Items) != 1 {
		return nil, fmt.Errorf("service %s has %d containers, not 1", service, len(found.Items))
	}
	return follow(s.engine, service, found.Items[0].ID), nil
}

// Close removes the stack and lets another one be started.
func (s *Stack) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), downWithin)
	defer cancel()
	var err error
	if s.engine != nil {
		err = errors.Join(s.remove(ctx), s.engine.Close())
	}
	return errors.Join(err, unlock(s.lock))
}

// ours filters what belongs to the project.
func (s *Stack) ours(labels ...string) client.Filters {
	return make(client.Filters).Add("label", append(labels, "com.docker.compose.project="+s.options.Project)...)
}

// remove removes all containers, networks and volumes of the project,
// whoever made them.
func (s *Stack) remove(ctx context.Context) error {
	containers, err := s.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: s.ours()})
	if err != nil {
		return err
	}
	var problems []error
	for _, c := range containers.Items {
		_, err := s.engine.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		problems = append(problems, err)
	}
	networks, err := s.engine.NetworkList(ctx, client.NetworkListOptions{Filters: s.ours()})
	problems = append(problems, err)
	for _, n := range networks.Items {
		_, err := s.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		problems = append(problems, err)
	}
	volumes, err := s.engine.VolumeList(ctx, client.VolumeListOptions{Filters: s.ours()})
	problems = append(problems, err)
	for _, v := range volumes.Items {
		_, err := s.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
