package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// mixedConfig says what to ask for and for how long. Everything before warmup has passed is asked but not counted.
type mixedConfig struct {
	url       string
	rate      float64
	slowURL   string
	visitors  int
	warmup    time.Duration
	measure   time.Duration
	timeout   time.Duration
	keepAlive bool
}

// mixedResult is what load mixed prints.
type mixedResult struct {
	Home homeResult `json:"home"`
	Slow slowResult `json:"slow"`
}

// homeResult counts the questions that were due in the measured time. Latencies are those of the answered ones, from the
// moment each was due; an unanswered one is an error.
type homeResult struct {
	Due      int `json:"due"`
	Answered int `json:"answered"`
	latencies
	Errors map[string]int `json:"errors"`
}

// slowResult counts the answers that slow visitors got in the measured time. Max includes visitors who were still
// waiting at its end; Fewest and Most are answers per visitor.
type slowResult struct {
	Answered  int     `json:"answered"`
	PerSecond float64 `json:"per_second"`
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
	flags.DurationVar(&c.warmup, "warmup", 3*time.Second, "time before counting begins")
	flags.DurationVar(&c.measure, "measure", 12*time.Second, "time that counts")
	flags.DurationVar(&c.timeout, "timeout", 20*time.Second, "time after which a question counts as unanswered")
	flags.BoolVar(&c.keepAlive, "keep-alive", false, "ask over kept connections; the default is a new visitor, hence a new connection, each time")
	if err := flags.Parse(args); err != nil {
		return nil, flag.ErrHelp
	}
	if c.url == "" || c.rate <= 0 || c.visitors < 0 || c.visitors > 0 && c.slowURL == "" {
		return nil, errors.New("-url, a positive -rate and, with -visitors, -slow-url are needed")
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
		visiting.Go(func() { visits[i].ask(slowContext, c, begin, end) })
	}

	home := askAtRate(ctx, c, begin, end)
	select { // a fast server has answered the last question before the measured time is over
	case <-time.After(time.Until(end.Add(afterEnd))):
	case <-ctx.Done():
	}
	stopSlow()
	visiting.Wait()
	if err := ctx.Err(); err != nil {
		return mixedResult{}, fmt.Errorf("interrupted: %w", err)
	}
	return mixedResult{Home: home, Slow: sum(visits, c.measure)}, nil
}

// askAtRate asks one question every 1/rate seconds from now until end, each in a goroutine of its own. Their number is
// bounded by rate x timeout.
func askAtRate(ctx context.Context, c mixedConfig, begin, end time.Time) homeResult {
	transport := &http.Transport{DisableKeepAlives: !c.keepAlive, MaxIdleConnsPerHost: 1000}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: noRedirect}

	result := homeResult{Errors: map[string]int{}}
	var took []time.Duration
	var mu sync.Mutex // guards result and took
	var asking sync.WaitGroup

	every := time.Duration(float64(time.Second) / c.rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := time.Now(); due.Before(end); due = due.Add(every) {
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			asking.Wait()
			return result
		}
		asking.Go(func() {
			err := ask(ctx, client, c.url, due.Add(c.timeout))
			latency := time.Since(due)
			if due.Before(begin) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			result.Due++
			if err != nil {
				result.Errors[reason(err)]++
				return
			}
			result.Answered++
			took = append(took, latency)
		})
	}
	asking.Wait()
	result.latencies = summarise(took)
	return result
}

// visitor is one slow visitor's record.
type visitor struct {
	took    []time.Duration
	waiting time.Duration // age of the question that was open at the end of the measured time
	errors  map[string]int
}

func (v *visitor) ask(ctx context.Context, c mixedConfig, begin, end time.Time) {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	v.errors = map[string]int{}

	for ctx.Err() == nil {
		asked := time.Now()
		err := ask(ctx, client, c.slowURL, asked.Add(c.timeout+c.measure))
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
	var longest time.Duration
	for i, v := range visits {
		took = append(took, v.took...)
		longest = max(longest, v.waiting)
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
	return result
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
