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

// Traces returns all workloads, in the order of the document.
func Traces() []*Trace {
	idle := func(s Shape) *Trace {
		return &Trace{
			Name: fmt.Sprintf("idle %dx%d", s.Workers, s.Threads), Title: fmt.Sprintf("Nobody else, %d workers x %s", s.Workers, threads(s.Threads)),
			Shape: s, Warmup: 5 * time.Second, Length: 30 * time.Second,
			Load: func(p *Play) { p.Every(pagesEvery, home) },
		}
	}
	all := []*Trace{idle(four), idle(fourfold)}
	for _, s := range []Shape{four, fourfold} {
		for _, n := range []int{3, 8, 40, 200} {
			all = append(all, beside(s, n, "pdf", "render PDFs (375 ms of processor)", pdf))
		}
		for _, n := range []int{3, 8, 40, 200} {
			all = append(all, beside(s, n, "wait", "wait 2 s for something else", scan))
		}
	}
	all = append(all, neverSeen(), deploy(), burst())
	for _, times := range []int{1, 2, 3} {
		all = append(all, overload(times))
	}
	return append(all, portal(), bimodal(), recorded())
}

func threads(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

// beside is the scenario mixed of the benchmark.
func beside(s Shape, n int, kind, what string, slow func(*rand.Rand) *Request) *Trace {
	length := 60 * time.Second
	if n >= 200 {
		length = 120 * time.Second // a turn takes long
	}
	return &Trace{
		Name:  fmt.Sprintf("%s %dx%d %d", kind, s.Workers, s.Threads, n),
		Title: fmt.Sprintf("%d visitors %s, %d workers x %s", n, what, s.Workers, threads(s.Threads)),
		Shape: s, Warmup: 5 * time.Second, Length: length,
		Load: func(p *Play) {
			p.Every(pagesEvery, home)
			p.After(2*time.Second, func() { p.Visitors(n, slow) }) // the pages are known by then
		},
	}
}

func neverSeen() *Trace {
	return &Trace{
		Name: "never seen", Title: "Every path is new",
		Text: "Each page and each PDF has a path that nobody asked for before, as slugs do: 30 articles a second and 20 home pages beside 8 visitors " +
			"who render PDFs. Nothing counts as warm-up.",
		Shape: four, Length: 60 * time.Second,
		Load: func(p *Play) {
			p.Every(50*time.Millisecond, home)
			p.Every(33*time.Millisecond, slug("article", home))
			p.Visitors(8, slug("report", pdf))
		},
	}
}

func deploy() *Trace {
	return &Trace{
		Name: "deploy", Title: "The first seconds after a start",
		Text: "Nothing is known of any route, and the first request of each route in each worker takes 150 ms of processor more (templates, connections): " +
			"50 pages a second of five kinds, 20 visitors who render PDFs, 4 who wait 2 s. Only the first 10 s count.",
		Shape: four, Length: 10 * time.Second, Cold: 150 * time.Millisecond,
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
		Name: "burst", Title: "One client's forty PDFs beside another's one",
		Text:  "Every 15 s one client asks for forty PDFs at once, and 0.2 s later another one, the guest, for a single one.",
		Shape: four, Warmup: 4 * time.Second, Length: 60 * time.Second,
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

// overload brings so many times the work that the processors can do. The pages stay what they are.
func overload(times int) *Trace {
	const patience = 10 * time.Second
	rate := (float64(four.Processors)*float64(times) - float64(pageCPU)/float64(pagesEvery)) / pdfCPU.Seconds()
	return &Trace{
		Name: fmt.Sprintf("overload %d", times), Title: fmt.Sprintf("%d x capacity", times),
		Text:  fmt.Sprintf("50 pages a second and %.1f PDFs a second from as many clients, each of whom leaves after %.0f s.", rate, patience.Seconds()),
		Shape: four, Warmup: 10 * time.Second, Length: 60 * time.Second,
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
		Name: "portal", Title: "Twenty routes from 3 ms to 0.8 s",
		Text: "Poisson arrivals, 14 a second in all, the light routes asked for more often, each request lognormal around its route's mean. " +
			"Pages are those of routes below 50 ms.",
		Shape: four, Warmup: 20 * time.Second, Length: 120 * time.Second,
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

// bimodal has one route whose requests cannot be told apart beforehand.
func bimodal() *Trace {
	return &Trace{
		Name: "heavy tail", Title: "A search that takes 10 ms or 5 s",
		Text: "25 home pages a second beside a search, 6 a second, all under one route: nine of ten need 10 ms, the tenth has a Pareto tail (α 1.1) from 0.2 to 5 s. " +
			"Only perfect knowledge can tell them apart.",
		Shape: four, Warmup: 20 * time.Second, Length: 120 * time.Second,
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
		Name: "recorded", Title: "A recorded half minute of the demo site",
		Text: "15 visitors who read and now and then download, 2 who only download, 3 who wait for scans, and one who opens twelve PDFs at once; " +
			"recorded from a real run (testdata/record.py says how) and played twice, of which the second time counts.",
		Shape: four, Warmup: length, Length: length,
		Load: func(p *Play) {
			for line := range strings.Lines(demo) {
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
