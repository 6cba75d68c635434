// Package testlog is where a test has its subject log to, and looks at what was
// logged while the subject goes on. Tests alone import it.
package testlog

import (
	"bytes"
	"strings"
	"sync"
)

// Log takes what many goroutines write. The zero value is ready.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Count is how often that holds a text.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }
