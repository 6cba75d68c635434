package fakebinance

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxStreams is how many streams a session may have, as documented.
	maxStreams = 1024
	// maxStreamName bounds a stream's name; documented ones stay below 50 bytes.
	maxStreamName = 256
)

var (
	errTimeUnit = errors.New("timeUnit is not MILLISECOND or MICROSECOND")
	errPath     = errors.New("no such path")
)

// target is what the URL of a session asks for.
type target struct {
	streams []string
	format  format
}

// parseTarget reads the URL of a websocket request: /ws and /stream, with or
// without streams. It returns errPath for any other path.
func parseTarget(u *url.URL) (target, error) {
	var t target
	query := u.Query()
	switch path := u.Path; {
	case path == "/ws" || strings.HasPrefix(path, "/ws/"):
		t.streams = splitStreams(strings.TrimPrefix(path, "/ws"))
	case path == "/stream" || path == "/stream/":
		t.format |= combined
		t.streams = splitStreams(query.Get("streams"))
	default:
		return target{}, errPath
	}
	switch query.Get("timeUnit") {
	case "", "MILLISECOND", "millisecond":
	case "MICROSECOND", "microsecond":
		t.format |= microseconds
	default:
		return target{}, errTimeUnit
	}
	return t, nil
}

// splitStreams splits at slashes and leaves out repeated names.
func splitStreams(list string) []string {
	var streams []string
	for name := range strings.SplitSeq(list, "/") {
		if name != "" && !slices.Contains(streams, name) {
			streams = append(streams, name)
		}
		if len(streams) > maxStreams {
			break // too many, however many they are
		}
	}
	return streams
}

// wellFormed tells whether a name could be that of a stream. The exchange
// checks no more than that: a well-formed name that doesn't exist is
// acknowledged and stays silent.
func wellFormed(name string) bool {
	if name == "" || len(name) > maxStreamName || !utf8.ValidString(name) {
		return false
	}
	for _, c := range name {
		if unicode.IsSpace(c) || unicode.IsControl(c) || strings.ContainsRune(`"'\/?&,;<>`, c) {
			return false
		}
	}
	at := strings.IndexByte(name, '@')
	return strings.HasPrefix(name, "!") || at > 0 && at < len(name)-1
}
