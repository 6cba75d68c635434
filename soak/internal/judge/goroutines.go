package judge

import (
	"fmt"

	"steadfeed/soak"
	"steadfeed/soak/internal/leak"
)

// goroutines compares how many there are at the end with how many there were
// after warm-up. One that is forgotten at each reconnect takes some kilobytes
// and shows in no memory chart for weeks.
func goroutines(e *Evidence, _ soak.Limit) measurement {
	first, last, n := leak.Goroutines(e.Samples, settled(e))
	if n < 2 {
		return measurement{unfit: true, why: "there is no sample of the subject's goroutines after warm-up", evidence: soak.SamplesFile}
	}
	return measurement{
		value:    number(last - first),
		why:      fmt.Sprintf("from %.0f to %.0f, medians of the first and last of %s samples after warm-up", first, last, group(int64(n))),
		evidence: soak.SamplesFile,
	}
}
