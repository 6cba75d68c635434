package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bench is a checkout with an origin, and programs that take the place of
// others.
type bench struct {
	t        *testing.T
	checkout string
	programs string
	env      []string
}

func newBench(t *testing.T) *bench {
	for _, program := range []string{"git", "bash"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
	dir := t.TempDir()
	b := &bench{t: t, checkout: filepath.Join(dir, "checkout"), programs: filepath.Join(dir, "programs")}
	if err := os.Mkdir(b.programs, 0o755); err != nil {
		t.Fatal(err)
	}
	b.env = append(os.Environ(), "PATH="+b.programs+":"+os.Getenv("PATH"), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost")
	b.run(dir, "git", "init", "--quiet", "--bare", "-b", "main", "origin")
	b.run(dir, "git", "clone", "--quiet", "origin", "checkout")
	b.write(filepath.Join(b.checkout, "code.txt"), "code")
	b.run(b.checkout, "git", "checkout", "--quiet", "-b", "main")
	b.run(b.checkout, "git", "add", ".")
	b.run(b.checkout, "git", "commit", "--quiet", "-m", "code")
	b.run(b.checkout, "git", "push", "--quiet", "origin", "main")
	return b
}

func (b *bench) run(dir, program string, args ...string) string {
	b.t.Helper()
	command := exec.Command(program, args...)
	command.Dir, command.Env = dir, b.env
	out, err := command.CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func (b *bench) write(path, text string) {
	b.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(path string) string {
	b.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return string(text)
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A night that needs a look opens an issue, the next one comments on it, a good
// one does neither; the account grows on a branch of its own, which has nothing
// of the code.
func TestNightly(t *testing.T) {
	b := newBench(t)
	nights := filepath.Join(b.programs, "nights")
	if out, err := exec.Command("go", "build", "-o", nights, "./nights").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// go run ./scripts/nights is this program here.
	b.write(filepath.Join(b.programs, "go"), "#!/bin/sh\nshift 2\nexec "+nights+" \"$@\"\n")
	said, open := filepath.Join(b.programs, "said"), filepath.Join(b.programs, "open")
	b.write(filepath.Join(b.programs, "gh"), "#!/bin/sh\ncase \"$1 $2\" in 'issue list') cat "+open+" 2>/dev/null; exit 0 ;; esac\n"+
		"echo \"$@\" >>"+said+"\nfor a; do [ -f \"$a\" ] && cat \"$a\" >>"+said+"; done; exit 0\n")
	runs := filepath.Join(b.checkout, "runs")
	for _, name := range []string{"20260701T010000Z-soak-5h-1", "20260702T010000Z-soak-5h-2"} {
		if err := os.MkdirAll(filepath.Join(runs, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.write(filepath.Join(runs, "20260701T010000Z-soak-5h-1", "verdict.json"), "not this one")
	night := func(outcome string) string {
		t.Helper()
		_ = os.Remove(said)
		b.write(filepath.Join(runs, "20260702T010000Z-soak-5h-2", "verdict.json"), `{"outcome":"`+outcome+`","why":"one trade is missing"}`)
		b.run(b.checkout, script(t, "nightly.sh"), "soak-5h="+runs)
		return b.read(said)
	}
	if got := night("fail"); !strings.Contains(got, "issue create --title Nightly soak of ") || !strings.Contains(got, "soak-5h: fail: one trade is missing") || strings.Contains(got, "issue comment") {
		t.Errorf("after the first failure: %q", got)
	}
	b.write(open, "17\n")
	if got := night("fail"); !strings.Contains(got, "issue comment 17") || !strings.Contains(got, "one trade is missing") || strings.Contains(got, "issue create") {
		t.Errorf("after the second: %q", got)
	}
	for _, outcome := range []string{"pass", "inconclusive"} {
		if got := night(outcome); got != "" {
			t.Errorf("after a night that was %s: %q", outcome, got)
		}
	}
	b.run(b.checkout, "git", "fetch", "--quiet", "origin", "soak-nights")
	if files := b.run(b.checkout, "git", "ls-tree", "--name-only", "FETCH_HEAD"); files != "index.html\nnights.ndjson\n" {
		t.Errorf("the branch has %q", files)
	}
	if lines := b.run(b.checkout, "git", "show", "FETCH_HEAD:nights.ndjson"); strings.Count(lines, "\n") != 4 {
		t.Errorf("the account is %q", lines)
	}
	if left := b.run(b.checkout, "git", "worktree", "list"); strings.Count(left, "\n") != 1 {
		t.Errorf("worktrees left behind: %s", left)
	}
}

// A soak job has its command's exit status and the summary of its run on its
// page; one inconclusive run can be let pass.
func TestSoakJob(t *testing.T) {
	b := newBench(t)
	page := filepath.Join(b.programs, "page")
	f := func(command string, status int, says string, env ...string) {
		t.Helper()
		_ = os.Remove(page)
		run := exec.Command(script(t, "ci-soak.sh"), "sh", "-c", command)
		run.Dir, run.Env = b.checkout, append(append(b.env, "GITHUB_STEP_SUMMARY="+page), env...)
		out, _ := run.CombinedOutput() // the status is looked at
		if got := run.ProcessState.ExitCode(); got != status || !strings.Contains(b.read(page), says) {
			t.Errorf("%s: status %d, page %q, said %q; want %d and %q", command, got, b.read(page), out, status, says)
		}
	}
	leaves := func(name string) string {
		return "mkdir -p runs/" + name + " && echo '## soak " + name + "' >runs/" + name + "/summary.md && ln -sfn " + name + " runs/latest; "
	}
	f(leaves("one"), 0, "## soak one")
	f(leaves("two")+"exit 1", 1, "## soak two")
	f("exit 4", 4, "ended with 4 and left no run")
	f(leaves("three")+"exit 3", 3, "## soak three")
	f(leaves("four")+"exit 3", 0, "## soak four", "SOAK_INCONCLUSIVE=pass")
	f(leaves("five")+"exit 1", 1, "## soak five", "SOAK_INCONCLUSIVE=pass")
}
