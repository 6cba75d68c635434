package testbed

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestStanding(t *testing.T) {
	f := func(role, says string, ready, standby bool) {
		t.Helper()
		process, endpoints, err := StartSubject(role, []string{os.Args[0]},
			map[string]string{"SUBJECT_ROLE": role, "SUBJECT_SAYS": says}, filepath.Join(t.TempDir(), role+".log"))
		if err != nil {
			t.Fatal(err)
		}
		defer endpoints.Close()
		defer process.Kill()
		var s Standing
		eventually(t, "it answers", func() bool { s, err = endpoints.Standing(t.Context()); return err == nil })
		if s.Ready != ready || s.Standby != standby || s.Reason != says {
			t.Errorf("%s that says %q: %+v", role, says, s)
		}
		if well := ready || standby; s.Told != well || well && !slices.Equal(s.Partitions, []int32{0, 4}) {
			t.Errorf("%s that says %q owns %v, told %t", role, says, s.Partitions, s.Told)
		}
	}
	f("polite", "ok", true, false)
	f("unready", "standby: another replica owns all partitions", false, true)
	f("unready", "kafka: no broker", false, false)
}
