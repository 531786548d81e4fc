package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mixedConfig says what to ask for and for how long. Everything before warmup has passed is asked but not counted.
type mixedConfig struct {
	url       string
	rate      float64
	slowURL   string  // "{}" in it stands for a word that no request had before
	visitors  int     // slow visitors, each asking again when answered
	slowRate  float64 // slow questions a second in their place, whatever becomes of them
	warmup    time.Duration
	measure   time.Duration
	timeout   time.Duration
	keepAlive bool
	cut       bool // end with the measured time; questions still open then are not counted
}

// mixedResult is what load mixed prints. SlowRate has the questions asked at a rate, Slow those of the visitors.
type mixedResult struct {
	Home     rateResult `json:"home"`
	Slow     slowResult `json:"slow"`
	SlowRate rateResult `json:"slow_rate"`
}

// rateResult counts the questions that were due in the measured time. Latencies are those of the answered ones, from the
// moment each was due; an unanswered one is an error. Goodput is the answers a second that arrived in the measured time
// and before their question's deadline, whenever it was due: a queue that only grows cannot lend from the time after.
type rateResult struct {
	Due      int     `json:"due"`
	Answered int     `json:"answered"`
	Goodput  float64 `json:"goodput"`
	latencies
	Errors map[string]int `json:"errors"`
}

// slowResult counts the answers that slow visitors got in the measured time. Max includes visitors who were still
// waiting at its end, and so does Mean; Fewest and Most are answers per visitor.
type slowResult struct {
	Answered  int     `json:"answered"`
	PerSecond float64 `json:"per_second"`
	Mean      float64 `json:"mean_ms"`
	latencies
	Fewest int            `json:"fewest"`
	Most   int            `json:"most"`
	Errors map[string]int `json:"errors"`
}

// pauseAfterError keeps a visitor whose server refuses at once from spinning on this machine's CPU.
const pauseAfterError = 100 * time.Millisecond

func runMixed(ctx context.Context, args []string, stderr io.Writer) (any, error) {
	var c mixedConfig
	flags := flag.NewFlagSet("mixed", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.url, "url", "", "page asked for at the fixed rate")
	flags.Float64Var(&c.rate, "rate", 50, "questions a second")
	flags.StringVar(&c.slowURL, "slow-url", "", "page the slow visitors ask for")
	flags.IntVar(&c.visitors, "visitors", 0, "number of slow visitors")
	flags.Float64Var(&c.slowRate, "slow-rate", 0, "slow questions a second, in place of visitors")
	flags.DurationVar(&c.warmup, "warmup", 3*time.Second, "time before counting begins")
	flags.DurationVar(&c.measure, "measure", 12*time.Second, "time that counts")
	flags.DurationVar(&c.timeout, "timeout", 20*time.Second, "time after which a question counts as unanswered")
	flags.BoolVar(&c.keepAlive, "keep-alive", false, "ask over kept connections; the default is a new visitor, hence a new connection, each time")
	flags.BoolVar(&c.cut, "cut", false, "end with the measured time and count no question that is open then")
	if err := flags.Parse(args); err != nil {
		return nil, flag.ErrHelp
	}
	slow := c.visitors > 0 || c.slowRate > 0
	if c.url == "" || c.rate <= 0 || c.visitors < 0 || c.slowRate < 0 || slow && c.slowURL == "" {
		return nil, errors.New("-url, a positive -rate and, with -visitors or -slow-rate, -slow-url are needed")
	}
	return mixed(ctx, c)
}

// afterEnd is how long the slow visitors go on behind the measured time, so that what they have open is seen to be open.
const afterEnd = 50 * time.Millisecond

// mixed keeps the slow visitors going until the last question of the measured time is answered or given up, so that no
// question is helped by the end of the load.
func mixed(ctx context.Context, c mixedConfig) (mixedResult, error) {
	begin := time.Now().Add(c.warmup)
	end := begin.Add(c.measure)

	slowContext, stopSlow := context.WithCancel(ctx)
	defer stopSlow()
	visits := make([]visitor, c.visitors)
	var visiting sync.WaitGroup
	for i := range visits {
		visiting.Go(func() { visits[i].ask(slowContext, c, address(slowNetwork, i), begin, end) })
	}
	var slowRate rateResult
	if c.slowRate > 0 {
		visiting.Go(func() { slowRate = askAtRate(ctx, c, c.slowURL, c.slowRate, slowNetwork, begin, end) })
	}

	home := askAtRate(ctx, c, c.url, c.rate, homeNetwork, begin, end)
	select { // a fast server has answered the last question before the measured time is over
	case <-time.After(time.Until(end.Add(afterEnd))):
	case <-ctx.Done():
	}
	stopSlow()
	visiting.Wait() // questions at a rate end by themselves
	if err := ctx.Err(); err != nil {
		return mixedResult{}, fmt.Errorf("interrupted: %w", err)
	}
	return mixedResult{Home: home, Slow: sum(visits, c.measure), SlowRate: slowRate}, nil
}

// askers is how many addresses the visitors of one kind come from.
const askers = 200

// The second byte of the loopback addresses of visitors, as servers may treat each client by itself.
const (
	slowNetwork = 1
	homeNetwork = 2
)

// address is that of the i-th visitor of a network, on loopback.
func address(network byte, i int) net.IP {
	return net.IPv4(127, network, 0, byte(1+i%askers))
}

// dialFrom makes connections from a loopback address.
func dialFrom(from net.IP) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	return dialer.DialContext
}

// askAtRate asks one question every 1/rate seconds from now until end, each in a goroutine of its own and from the next
// address. Their number is bounded by rate x timeout.
func askAtRate(ctx context.Context, c mixedConfig, url string, rate float64, network byte, begin, end time.Time) rateResult {
	clients := make([]*http.Client, askers)
	for i := range clients {
		transport := &http.Transport{
			DisableKeepAlives:   !c.keepAlive,
			MaxIdleConnsPerHost: 1000,
			DialContext:         dialFrom(address(network, i)),
		}
		defer transport.CloseIdleConnections()
		clients[i] = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	}
	asking, giveUp := ctx, context.CancelFunc(func() {})
	if c.cut {
		asking, giveUp = context.WithDeadline(ctx, end)
	}
	defer giveUp()

	result := rateResult{Errors: map[string]int{}}
	inTime := 0 // answers that arrived in the measured time
	var took []time.Duration
	var mu sync.Mutex // guards result and took
	var open sync.WaitGroup

	every := time.Duration(float64(time.Second) / rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	asker := 0
	for due := time.Now(); due.Before(end); due = due.Add(every) {
		client := clients[asker%askers]
		asker++
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			open.Wait()
			return result
		}
		open.Go(func() {
			err := ask(asking, client, fresh(url), due.Add(c.timeout))
			answered := time.Now()
			latency := answered.Sub(due)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && answered.After(begin) && answered.Before(end) {
				inTime++
			}
			if due.Before(begin) || c.cut && answered.After(end) {
				return
			}
			result.Due++
			if err != nil {
				result.Errors[reason(err)]++
				return
			}
			result.Answered++
			took = append(took, latency)
		})
	}
	open.Wait()
	result.latencies = summarise(took)
	result.Goodput = float64(inTime) / c.measure.Seconds()
	return result
}

// visitor is one slow visitor's record.
type visitor struct {
	took    []time.Duration
	waiting time.Duration // age of the question that was open at the end of the measured time
	errors  map[string]int
}

func (v *visitor) ask(ctx context.Context, c mixedConfig, from net.IP, begin, end time.Time) {
	transport := &http.Transport{MaxConnsPerHost: 1, DialContext: dialFrom(from)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	v.errors = map[string]int{}

	for ctx.Err() == nil {
		asked := time.Now()
		err := ask(ctx, client, fresh(c.slowURL), asked.Add(c.timeout+c.measure))
		answered := time.Now()
		switch {
		case asked.Before(end) && answered.After(end):
			v.waiting = end.Sub(asked)
		case answered.Before(begin) || answered.After(end):
		case err != nil:
			v.errors[reason(err)]++
		default:
			v.took = append(v.took, answered.Sub(asked))
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(pauseAfterError):
			}
		}
	}
}

func sum(visits []visitor, measured time.Duration) slowResult {
	result := slowResult{Errors: map[string]int{}}
	var took []time.Duration
	var longest, total time.Duration
	waits := 0
	for i, v := range visits {
		took = append(took, v.took...)
		longest = max(longest, v.waiting)
		for _, wait := range append(v.took, v.waiting) {
			if wait > 0 {
				total += wait
				waits++
			}
		}
		if i == 0 || len(v.took) < result.Fewest {
			result.Fewest = len(v.took)
		}
		result.Most = max(result.Most, len(v.took))
		for name, count := range v.errors {
			result.Errors[name] += count
		}
	}
	result.Answered = len(took)
	result.PerSecond = float64(len(took)) / measured.Seconds()
	result.latencies = summarise(took)
	result.Max = max(result.Max, milliseconds(longest))
	if waits > 0 {
		result.Mean = milliseconds(total / time.Duration(waits))
	}
	return result
}

// fresh replaces "{}" in a URL by a word that no request had before.
func fresh(url string) string {
	if !strings.Contains(url, "{}") {
		return url
	}
	return strings.Replace(url, "{}", strings.ToLower(crand.Text()), 1)
}

// ask reads one whole answer. Anything but status 200 is an error.
func ask(ctx context.Context, client *http.Client, url string, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return statusError(response.StatusCode)
	}
	return nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
