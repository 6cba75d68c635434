package reports

import (
	"fmt"
	"io"

	"steadfeed/soak"
)

// Write writes report.html into the directory of the run, replacing an older
// one as a whole. Files that are missing or damaged do not keep it from being
// written: the page says what it lacks.
func Write(run *soak.Run) error {
	err := run.WriteFile(soak.ReportFile, func(w io.Writer) error { return HTML(w, run) })
	if err != nil {
		return fmt.Errorf("write report of run %s: %w", run.ID(), err)
	}
	return nil
}

// HTML writes the report of the run to w. The same run directory gives the
// same bytes. Its memory does not grow with the number of samples.
func HTML(w io.Writer, run *soak.Run) error {
	found := collect(run)
	return render(w, newPage(found))
}
