package fakebinance

import (
	"cmp"
	"maps"
	"slices"
)

// open makes s a session with the streams of its URL.
func (p *publisher) open(s *session, t target) bool {
	s.format = t.format
	p.sessions[s] = struct{}{}
	if !p.subscribe(s, t.streams) {
		return false
	}
	for _, injection := range p.injections {
		injection.apply(s, true)
	}
	return true
}

// leave ends what open and the requests of s began.
func (p *publisher) leave(s *session) {
	p.unsubscribe(s, slices.Clone(s.streams))
	delete(p.sessions, s)
	for _, injection := range p.injections {
		injection.forget(s)
	}
}

// subscribe adds streams to a session; none of them when it would have too
// many. A stream that doesn't exist is listed like any other.
func (p *publisher) subscribe(s *session, names []string) bool {
	added := make([]string, 0, len(names))
	for _, name := range names {
		if !slices.Contains(s.streams, name) && !slices.Contains(added, name) {
			added = append(added, name)
		}
	}
	if len(s.streams)+len(added) > maxStreams {
		return false
	}
	s.streams = append(s.streams, added...)
	for _, name := range added {
		if c, exists := p.byStream[name]; exists {
			c.of[s.format] = append(c.of[s.format], s)
			c.line.listen(c, 1)
			p.listening++
		}
	}
	s.count(func(r *SessionRecord) { r.Streams = len(s.streams) })
	return true
}

func (p *publisher) unsubscribe(s *session, names []string) {
	for _, name := range names {
		at := slices.Index(s.streams, name)
		if at < 0 {
			continue
		}
		s.streams = slices.Delete(s.streams, at, at+1)
		if c, exists := p.byStream[name]; exists {
			c.of[s.format] = slices.DeleteFunc(c.of[s.format], func(o *session) bool { return o == s })
			c.line.listen(c, -1)
			p.listening--
		}
	}
}

// reformat has the session's trades come in another format from now on.
func (p *publisher) reformat(s *session, f format) {
	streams := slices.Clone(s.streams)
	p.unsubscribe(s, streams)
	s.format = f
	p.subscribe(s, streams)
}

// byNumber returns the open sessions, oldest first.
func (p *publisher) byNumber() []*session {
	return slices.SortedFunc(maps.Keys(p.sessions), func(a, b *session) int { return cmp.Compare(a.n, b.n) })
}
