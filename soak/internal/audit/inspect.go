package audit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/soak"
)

// Inspection is an audit of a topic that exists.
type Inspection struct {
	Plan     soak.Plan // its Topic says what is read
	Out      string    // the directory in which run directories are made
	Kafka    []kgo.Opt // brokers, TLS, authentication
	Registry *sr.Client
	HTTP     *http.Client  // to ask the exchange with
	Weight   float64       // that questions may cost in a minute
	Asking   time.Duration // how long questions may take, all together

	// Own is this process's resident memory in bytes and its CPU time in
	// seconds, for the samples; nil: not known.
	Own        func() (rssBytes int64, cpuSeconds float64)
	OnEvent    func(soak.Event) // called with each event as it is recorded
	OnProgress func(Progress)   // called about twice a second
}

// Progress is how far an audit is.
type Progress struct {
	Read, Records int64 // offsets read, and offsets to read
	Symbols       int
	Findings      int64
	RSSBytes      int64
}

// inspectSample is how often a sample is taken: the charts of a report show
// how fast the topic was read, and that the auditor's memory stayed flat.
const inspectSample = time.Second

// inspection is one that is going on.
type inspection struct {
	Inspection
	dir     *soak.Run
	course  soak.Course
	survey  *survey
	merge   *merge
	sampled time.Time
	problem error // of writing the run directory
}

// Run reads the topic, asks the exchange, and leaves a run directory to be
// judged. Cancelling ctx ends it early; what was read is in the ledger all the
// same. The error is for a directory that cannot be made or written.
func (i Inspection) Run(ctx context.Context) (*soak.Run, soak.Course, error) {
	dir, err := soak.Create(i.Out, i.Plan, time.Now())
	if err != nil {
		return nil, soak.Course{}, err
	}
	defer dir.Close()
	r := &inspection{Inspection: i, dir: dir}
	r.course = soak.Course{Subject: soak.SubjectBuild{Name: "topic " + i.Plan.Topic.Name}, Began: time.Now().UTC()}
	err = r.conclude(r.tell(ctx), &r.course)
	return dir, r.course, err
}

// tell is an audit from the beginning of the topic to the last question.
func (i *inspection) tell(ctx context.Context) (err error) {
	topic := i.Plan.Topic
	i.survey = newSurvey(reader{format: topic.Format, fields: fieldsOf(topic), registry: i.Registry}, i.Plan.Seed, topic.Sample)
	i.survey.onFinding, i.survey.onNote = i.finding, func(text string) { i.event(soak.EventHarness, "exchange", text) }
	i.event(soak.EventPhase, "read", "reads topic "+topic.Name)
	i.merge, err = openMerge(ctx, topic.Name, topic.Since.D(), topic.Follow.D(), i.Kafka)
	if err != nil {
		return err
	}
	err = i.merge.run(ctx, func(q *queue, r *kgo.Record) error { return i.take(ctx, q, r) }, i.look)
	i.merge.close()
	i.survey.reading.Partitions = i.merge.readings()
	for _, p := range i.survey.reading.Partitions {
		if p.Next < p.End && i.survey.reading.Unfinished == "" {
			i.survey.reading.Unfinished = fmt.Sprintf("partition %d was read to offset %d of %d", p.Partition, p.Next, p.End)
		}
	}
	if err != nil {
		return err
	}
	i.event(soak.EventHarness, "read", fmt.Sprintf("read %d records of %d symbols", i.survey.reading.Records, len(i.survey.symbols)))
	if topic.REST != "" {
		i.event(soak.EventPhase, "compare", fmt.Sprintf("asks %s about %d holes and %d trades", topic.REST, i.survey.holes, len(i.survey.sample.drawn)))
		asking, cancel := context.WithTimeout(ctx, i.Asking)
		defer cancel()
		i.survey.compare(asking, newExchange(topic.REST, i.HTTP, i.Weight))
	}
	return ctx.Err()
}

// take accounts for one record.
func (i *inspection) take(ctx context.Context, q *queue, record *kgo.Record) error {
	if record.Value == nil {
		i.survey.noteTime(record.Timestamp) // a tombstone says nothing about trades
		return nil
	}
	q.Records++
	at, err := i.survey.reader.identify(ctx, record)
	switch {
	case errors.Is(err, errUnreadable):
		i.survey.unreadable(record, err)
		return nil
	case err != nil:
		return err
	}
	if !i.survey.observe(at, record, q.cut) {
		return nil
	}
	if n := i.survey.sample.place(); n >= 0 {
		c, err := i.survey.reader.read(ctx, record)
		if err != nil && !errors.Is(err, errUnreadable) {
			return err
		}
		i.survey.sample.drawn[n] = sampled{at, c, where(record)}
	}
	return nil
}

// look tells about progress, and takes a sample each second.
func (i *inspection) look() {
	now := time.Now()
	p := Progress{Symbols: len(i.survey.symbols), Findings: i.survey.findings.total()}
	for _, q := range i.merge.queues {
		p.Records += q.End - q.From
		p.Read += min(q.Next, q.End) - q.From - int64(len(q.records))
	}
	var cpu float64
	if i.Own != nil {
		p.RSSBytes, cpu = i.Own()
	}
	if i.OnProgress != nil {
		i.OnProgress(p)
	}
	if now.Sub(i.sampled) < inspectSample {
		return
	}
	i.sampled = now
	err := i.dir.AppendSample(soak.Sample{
		At: now.UTC(), Subject: i.Plan.Topic.Name, Phase: "read",
		Published: i.survey.reading.Records, Delivered: i.survey.delivered, Behind: max(p.Records-p.Read, 0),
		Findings: p.Findings, HarnessRSSBytes: p.RSSBytes, HarnessCPUSeconds: cpu,
	})
	i.problem = errors.Join(i.problem, err)
}

func (i *inspection) finding(f soak.Finding) {
	ids := fmt.Sprint(f.FirstID)
	if f.LastID != f.FirstID {
		ids = fmt.Sprintf("%d to %d", f.FirstID, f.LastID)
	}
	i.event(soak.EventFinding, string(f.Guarantee), fmt.Sprintf("%s %s: %s", f.Symbol, ids, f.Why))
}

func (i *inspection) event(kind soak.EventKind, name, text string) {
	event := soak.Event{At: time.Now().UTC(), Kind: kind, Name: name, Text: text}
	i.problem = errors.Join(i.problem, i.dir.AppendEvent(event))
	if i.OnEvent != nil {
		i.OnEvent(event)
	}
}

// conclude writes what the judge needs.
func (i *inspection) conclude(ended error, course *soak.Course) error {
	switch {
	case errors.Is(ended, context.Canceled):
		course.Interrupted = true
		i.event(soak.EventHarness, "end", "ended early: interrupted")
	case ended != nil:
		course.Trouble = strings.ReplaceAll(ended.Error(), "\n", " ")
		i.event(soak.EventHarness, "end", "ended early: "+course.Trouble)
	}
	i.survey.leave(i.Plan.Topic.REST != "")
	course.Ended = time.Now().UTC()
	ledger := i.survey.ledger()
	ledger.Source = "topic " + i.Plan.Topic.Name
	ledger.Began, ledger.Ended = course.Began, course.Ended
	return errors.Join(i.problem, i.dir.WriteLedger(ledger), i.dir.WriteCourse(*course))
}

func fieldsOf(t *soak.Topic) Fields {
	return Fields{
		Symbol: t.Fields["symbol"], ID: t.Fields["id"], Price: t.Fields["price"],
		Quantity: t.Fields["quantity"], Time: t.Fields["time"], Maker: t.Fields["maker"],
	}
}
