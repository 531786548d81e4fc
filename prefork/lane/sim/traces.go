package sim

import (
	_ "embed" // the recorded trace
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// What the demo site's pages need, as measured on the machine of docs/benchmarks.md.
const (
	pageCPU  = 8 * time.Millisecond
	pdfCPU   = 375 * time.Millisecond
	scanCPU  = 4 * time.Millisecond
	scanWait = 2 * time.Second

	pagesEvery   = 20 * time.Millisecond // 50 a second: 0.4 processors
	pagePatience = 20 * time.Second      // the load generator's time-out
	slowPatience = 60 * time.Second
)

var (
	four     = Shape{Processors: 2, Workers: 4, Threads: 1}
	fourfold = Shape{Processors: 2, Workers: 4, Threads: 4}
)

// around spreads a need by a fifth to both sides.
func around(d time.Duration, c *rand.Rand) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*c.Float64())).Round(time.Microsecond)
}

func home(c *rand.Rand) *Request {
	return &Request{Key: "GET /", CPU: around(pageCPU, c), Patience: pagePatience, Page: true}
}

func pdf(c *rand.Rand) *Request {
	return &Request{Key: "GET /contract/:n/download", CPU: around(pdfCPU, c), Patience: slowPatience}
}

func scan(c *rand.Rand) *Request {
	return &Request{Key: "GET /contract/:n/scan", CPU: around(scanCPU, c), Wait: scanWait, Patience: slowPatience}
}

// slug gives each request a route key of its own.
func slug(under string, next func(*rand.Rand) *Request) func(*rand.Rand) *Request {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return func(c *rand.Rand) *Request {
		r := next(c)
		var name strings.Builder
		for range 12 {
			name.WriteByte(letters[c.IntN(len(letters))])
		}
		r.Key = "GET /" + under + "/" + name.String()
		return r
	}
}

// Group is some traces whose results stand in one table.
type Group struct {
	Title  string
	Text   string // what happens
	Column string // what the labels of the traces are; empty: there is only one trace
	Traces []*Trace
	More   []Contender // besides gounicorn and its peers
}

// Groups returns all workloads, in the order of the document. The first one is the idle server.
func Groups() []Group {
	const noNice = "gounicorn without nice"
	return []Group{
		{
			Title: "Nobody else", Column: "workers",
			Text:   "50 home pages a second of 8 ms each and nothing besides. What follows is measured against this: 2.0 means twice as long.",
			Traces: []*Trace{idle(four), idle(fourfold)},
		},
		{
			Title: "Visitors who render PDFs, 4 workers x 1 thread", Column: "visitors",
			Text:   "The scenario *mixed* of the benchmark: 50 home pages a second, and so many visitors who ask for a PDF (375 ms of processor) again and again.",
			Traces: beside(four, "pdf", pdf), More: []Contender{variant(noNice, func(o *Options) { o.Nice = false })},
		},
		{
			Title: "Visitors who wait, 4 workers x 1 thread", Column: "visitors",
			Text:   "The same with a page that waits 2 s for something else and computes for 4 ms.",
			Traces: beside(four, "wait", scan), More: []Contender{
				variant("gounicorn without overflow worker", func(o *Options) { o.Overflow = 0 }), moreThreads,
			},
		},
		{
			Title: "Visitors who render PDFs, 4 workers x 4 threads", Column: "visitors",
			Traces: beside(fourfold, "pdf", pdf), More: []Contender{variant(noNice, func(o *Options) { o.Nice = false })},
		},
		{
			Title: "Visitors who wait, 4 workers x 4 threads", Column: "visitors",
			Traces: beside(fourfold, "wait", scan), More: []Contender{moreThreads},
		},
		{
			Title: "Both kinds of visitors", Column: "workers",
			Text:   "Eight visitors who render PDFs and eight who wait.",
			Traces: []*Trace{both(four), both(fourfold)},
		},
		{
			Title: "Every path is new",
			Text: "Each article (8 ms, 30 a second) and each report (a PDF, 8 visitors) has a path that nobody asked for before, as slugs do; " +
				"beside them 20 home pages a second. Nothing is left out as warm-up.",
			Traces: []*Trace{neverSeen()},
		},
		{
			Title: "The first ten seconds after a start", Column: "workers",
			Text: "Nothing is known of any route, and the first request of each route in each worker takes 150 ms of processor more (templates, connections): " +
				"50 pages a second of five kinds, 20 visitors who render PDFs, 4 who wait.",
			Traces: []*Trace{deploy(four), deploy(fourfold)},
		},
		{
			Title:  "One client's forty PDFs beside another's one",
			Text:   "Every 15 s one client asks for forty PDFs at once, and 0.2 s later another one, the guest, for a single one.",
			Traces: []*Trace{burst()},
		},
		{
			Title: "Overload by clients who stay", Column: "x capacity",
			Text: "50 pages a second, and so many PDFs that all together is once, twice, three times what the processors can do. " +
				"Each PDF is for another client, who would wait for a minute; gounicorn's --queue-timeout is 30 s.",
			Traces: []*Trace{overload(1, slowPatience), overload(2, slowPatience), overload(3, slowPatience)},
		},
		{
			Title: "Overload by clients who leave", Column: "x capacity",
			Text:   "The same, but each client leaves after 10 s.",
			Traces: []*Trace{overload(1, 10*time.Second), overload(2, 10*time.Second), overload(3, 10*time.Second)},
		},
		{
			Title: "Twenty routes from 3 ms to 0.8 s",
			Text: "Poisson arrivals, 14 a second, the light routes asked for more often, each request lognormal around its route's mean. " +
				"Pages are those of routes below 50 ms.",
			Traces: []*Trace{portal()},
		},
		{
			Title: "A search that takes 10 ms or 5 s",
			Text: "25 home pages a second beside a search, 6 a second, all under one route: nine of ten need 10 ms, the tenth has a Pareto tail (α 1.1) from 0.2 to 5 s. " +
				"Only perfect knowledge can tell them apart.",
			Traces: []*Trace{heavyTail()},
		},
		{
			Title: "A recorded half minute of the demo site",
			Text: "15 visitors who read and now and then download, 3 who only download, 5 who wait for scans, and one who opens twelve PDFs at once; recorded from a " +
				"real run (prefork/lane/sim/testdata/record.py says how) and played twice, of which the second time counts.",
			Traces: []*Trace{recorded()},
		},
	}
}

// moreThreads lets workers have more threads for what waits.
var moreThreads = variant("gounicorn --max-threads 64", func(o *Options) { o.MaxThreads = 64 })

// variant is gounicorn with other settings.
func variant(name string, change func(*Options)) Contender {
	o := Defaults()
	change(&o)
	return Gounicorn(name, o)
}

// String is workers x threads.
func (s Shape) String() string { return fmt.Sprintf("%d x %d", s.Workers, s.Threads) }

func idle(s Shape) *Trace {
	return &Trace{
		Name: "idle " + s.String(), Label: s.String(), Shape: s, Warmup: 5 * time.Second, Length: 30 * time.Second,
		Load: func(p *Play) { p.Every(pagesEvery, home) },
	}
}

// beside is the scenario mixed of the benchmark.
func beside(s Shape, kind string, slow func(*rand.Rand) *Request) (all []*Trace) {
	for _, c := range []struct {
		visitors       int
		warmup, length time.Duration // some rounds, which take longer the more visitors there are
	}{{3, 10, 40}, {8, 10, 40}, {40, 20, 60}, {200, 60, 60}} {
		all = append(all, &Trace{
			Name: fmt.Sprintf("%s %v %d", kind, s, c.visitors), Label: fmt.Sprint(c.visitors),
			Shape: s, Warmup: c.warmup * time.Second, Length: c.length * time.Second,
			Load: func(p *Play) {
				p.Every(pagesEvery, home)
				p.After(time.Second, func() { p.Visitors(c.visitors, slow) }) // the page is known by then
			},
		})
	}
	return all
}

func both(s Shape) *Trace {
	return &Trace{
		Name: "both " + s.String(), Label: s.String(), Shape: s, Warmup: 10 * time.Second, Length: 60 * time.Second,
		Load: func(p *Play) {
			p.Every(pagesEvery, home)
			p.After(time.Second, func() {
				p.Visitors(8, pdf)
				p.Visitors(8, scan)
			})
		},
	}
}

func neverSeen() *Trace {
	return &Trace{
		Name: "never seen", Shape: four, Length: 60 * time.Second,
		Load: func(p *Play) {
			p.Every(50*time.Millisecond, home)
			p.Every(33*time.Millisecond, slug("article", home))
			p.Visitors(8, slug("report", pdf))
		},
	}
}

func deploy(s Shape) *Trace {
	return &Trace{
		Name: "deploy " + s.String(), Label: s.String(), Shape: s, Length: 10 * time.Second, Cold: 150 * time.Millisecond,
		Load: func(p *Play) {
			n := 0
			p.Every(pagesEvery, func(c *rand.Rand) *Request {
				r := home(c)
				r.Key = fmt.Sprintf("GET /page%c", 'a'+n%5)
				n++
				return r
			})
			p.Visitors(20, pdf)
			p.Visitors(4, scan)
		},
	}
}

func burst() *Trace {
	return &Trace{
		Name: "burst", Shape: four, Warmup: 4 * time.Second, Length: 60 * time.Second,
		Load: func(p *Play) {
			p.Every(pagesEvery, home)
			chance := p.Chance()
			client, guest := p.Conn(), p.Conn()
			var arrive func()
			arrive = func() {
				for range 40 {
					r := pdf(chance)
					r.Client, r.Conn = uint64(client), p.Conn()
					p.ask(r, nil)
				}
				p.After(200*time.Millisecond, func() {
					r := pdf(chance)
					r.Client, r.Conn, r.Guest = uint64(guest), p.Conn(), true
					p.ask(r, nil)
				})
				p.After(15*time.Second, arrive)
			}
			p.After(time.Second, func() { p.ask(pdf(chance), nil) }) // so that the route is known
			p.After(5*time.Second, arrive)
		},
	}
}

// overload brings so many times the work that the processors can do; the pages stay what they are.
func overload(times int, patience time.Duration) *Trace {
	rate := (float64(four.Processors)*float64(times) - float64(pageCPU)/float64(pagesEvery)) / pdfCPU.Seconds()
	return &Trace{
		Name: fmt.Sprintf("overload %d, %.0f s", times, patience.Seconds()), Label: fmt.Sprint(times), Shape: four,
		Warmup: 40 * time.Second, Length: 80 * time.Second,
		Load: func(p *Play) {
			p.Every(pagesEvery, home)
			p.Poisson(rate, func(c *rand.Rand) *Request {
				r := pdf(c)
				r.Patience = patience
				return r
			})
		},
	}
}

// portal is a site with many routes that differ in weight and use.
func portal() *Trace {
	const routes, rate = 20, 14.0
	return &Trace{
		Name: "portal", Shape: four, Warmup: 20 * time.Second, Length: 120 * time.Second,
		Load: func(p *Play) {
			p.Poisson(rate, func(c *rand.Rand) *Request {
				n := int(routes * math.Pow(c.Float64(), 1.5)) // the first ones most
				mean := 3 * math.Pow(800.0/3, float64(n)/(routes-1))
				need := mean * math.Exp(0.4*c.NormFloat64()-0.08)
				return &Request{
					Key: fmt.Sprintf("GET /route%c", 'a'+n), CPU: time.Duration(need * float64(time.Millisecond)).Round(time.Microsecond),
					Patience: slowPatience, Page: mean < 50,
				}
			})
		},
	}
}

// heavyTail has one route whose requests cannot be told apart beforehand.
func heavyTail() *Trace {
	return &Trace{
		Name: "heavy tail", Shape: four, Warmup: 20 * time.Second, Length: 120 * time.Second,
		Load: func(p *Play) {
			p.Every(2*pagesEvery, home)
			p.Poisson(6, func(c *rand.Rand) *Request {
				r := &Request{Key: "GET /search", CPU: around(10*time.Millisecond, c), Patience: slowPatience}
				if c.IntN(10) == 0 {
					seconds := min(0.2*math.Pow(1-c.Float64(), -1/1.1), 5)
					r.CPU = time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
				}
				return r
			})
		},
	}
}

// demo is what testdata/record.py recorded: arrival, client, processor time, waiting (microseconds) and route key, by tabs.
//
//go:embed testdata/demo.tsv
var demo string

// recorded plays the recorded trace twice; the first time is warm-up.
func recorded() *Trace {
	const length = 30 * time.Second
	return &Trace{
		Name: "recorded", Shape: four, Warmup: length, Length: length,
		Load: func(p *Play) {
			for line := range strings.Lines(demo) {
				if strings.HasPrefix(line, "#") {
					continue
				}
				for _, start := range []time.Duration{0, length} {
					r, at := parse(line)
					r.Conn = p.Conn()
					p.At(start+at, func() { p.ask(r, nil) })
				}
			}
		},
	}
}

// parse reads a line of the recorded trace; one that is not as it should be is a bug in the file.
func parse(line string) (r *Request, at time.Duration) {
	r = &Request{Patience: slowPatience}
	var arrival, cpu, wait int64
	if _, err := fmt.Sscanf(line, "%d\t%d\t%d\t%d\tGET %s", &arrival, &r.Client, &cpu, &wait, &r.Key); err != nil {
		panic(fmt.Sprintf("sim: recorded trace: %q: %v", line, err))
	}
	r.Key = "GET " + r.Key
	r.CPU, r.Wait = time.Duration(cpu)*time.Microsecond, time.Duration(wait)*time.Microsecond
	r.Page = !strings.HasSuffix(r.Key, "/download") && !strings.HasSuffix(r.Key, "/scan")
	return r, time.Duration(arrival) * time.Microsecond
}
