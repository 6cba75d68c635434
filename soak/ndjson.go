package soak

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
)

// maxLine bounds one line of an NDJSON file, and so the memory of its reader.
// A sample with all counters of a subject is a few kilobytes.
const maxLine = 1 << 20

func openAppend(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	return f, nil
}

// appendLine writes v as one line with a single write, which is what keeps
// lines whole when several goroutines append: an os.File lets one write finish
// before the next.
func appendLine(f *os.File, name string, v any) error {
	if f == nil {
		return fmt.Errorf("append to %s: %w", name, fs.ErrClosed)
	}
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	if len(line) >= maxLine {
		return fmt.Errorf("append to %s: line of %d bytes exceeds %d", name, len(line), maxLine)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	return nil
}

func readLines[T any](path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		defer f.Close()
		for v, err := range decodeLines[T](f) {
			if err != nil {
				err = fmt.Errorf("read %s: %w", path, err)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// decodeLines yields each line of r decoded. What follows the last newline is
// yielded if it decodes and otherwise taken for a write that a crash cut
// short. Any other line that does not decode is an error, which is the last
// thing yielded.
func decodeLines[T any](r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		in := bufio.NewReaderSize(r, maxLine)
		for n := 1; ; n++ {
			line, err := in.ReadSlice('\n')
			last := errors.Is(err, io.EOF)
			if err != nil && !last {
				if errors.Is(err, bufio.ErrBufferFull) {
					err = fmt.Errorf("longer than %d bytes", maxLine)
				}
				yield(zero, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if last && len(line) == 0 {
				return
			}
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				if !last {
					yield(zero, fmt.Errorf("line %d: %w", n, err))
				}
				return
			}
			if !yield(v, nil) || last {
				return
			}
		}
	}
}
