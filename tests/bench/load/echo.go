package main

import (
	"bufio"
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// echoConfig says how many requests to send and which of them are special.
type echoConfig struct {
	url         string
	requests    int
	concurrency int
	maxBody     int
	workMS      int     // the application takes a random time up to this long
	abandon     float64 // share of requests whose client leaves early
	stalls      int     // number of requests that ask the application to outlast the server's time-out
	stallMS     int
	gets        float64 // share of requests that are GET, hence may be retried by the server
	timeout     time.Duration
	fresh       bool   // a connection per request: for servers that do not keep connections and do not say so
	outcomes    string // file for one line "nonce method outcome" per request; none when empty
}

// echoResult is what load echo prints: outcome name to number of requests. Mixed quotes the first wrong answers.
type echoResult struct {
	Requests int            `json:"requests"`
	Seconds  float64        `json:"seconds"`
	Outcomes map[string]int `json:"outcomes"`
	Mixed    []string       `json:"mixed"`
}

// Outcomes beside "status N" and the names given by reason.
const (
	outcomeOK        = "ok"
	outcomeMixed     = "mixed"     // the answer, or the request as the application saw it, was another's
	outcomeAbandoned = "abandoned" // the client left before the answer, as planned
	outcomeTruncated = "truncated" // status 200, then the connection ended inside the body
)

// maxQuoted bounds the wrong answers quoted in the result.
const maxQuoted = 5

func runEcho(ctx context.Context, args []string, stderr io.Writer) (any, error) {
	var c echoConfig
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.url, "url", "", "URL below which /NONCE is asked for")
	flags.IntVar(&c.requests, "requests", 10_000, "number of requests")
	flags.IntVar(&c.concurrency, "concurrency", 32, "requests under way at a time")
	flags.IntVar(&c.maxBody, "max-body", 4096, "largest request body in bytes")
	flags.IntVar(&c.workMS, "work-ms", 0, "longest ordinary pause of the application")
	flags.Float64Var(&c.abandon, "abandon", 0, "share of requests whose client leaves early")
	flags.IntVar(&c.stalls, "stalls", 0, "number of requests that outlast the server's time-out")
	flags.IntVar(&c.stallMS, "stall-ms", 4000, "pause of such a request")
	flags.Float64Var(&c.gets, "gets", 0, "share of requests that are GET without a body")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "time after which a request counts as unanswered")
	flags.BoolVar(&c.fresh, "fresh", false, "use a new connection for every request")
	flags.StringVar(&c.outcomes, "outcomes", "", "file to write one line per request to")
	if err := flags.Parse(args); err != nil {
		return nil, flag.ErrHelp
	}
	if c.url == "" || c.requests < 1 || c.concurrency < 1 {
		return nil, errors.New("-url and positive -requests and -concurrency are needed")
	}
	return echo(ctx, c, stderr)
}

func echo(ctx context.Context, c echoConfig, stderr io.Writer) (result echoResult, err error) {
	record := func(string) {}
	if c.outcomes != "" {
		file, err := os.Create(c.outcomes)
		if err != nil {
			return result, err
		}
		lines := bufio.NewWriter(file)
		record = func(line string) { lines.WriteString(line) } // the error stays in lines until Flush
		defer func() { err = errors.Join(err, lines.Flush(), file.Close()) }()
	}

	transport := &http.Transport{
		MaxIdleConnsPerHost: c.concurrency,
		MaxIdleConns:        c.concurrency,
		DisableKeepAlives:   c.fresh,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	filler := make([]byte, c.maxBody)
	crand.Read(filler)

	result = echoResult{Requests: c.requests, Outcomes: map[string]int{}, Mixed: []string{}}
	var mu sync.Mutex // guards result and record
	var next atomic.Int64
	begin := time.Now()
	var sending sync.WaitGroup
	for range c.concurrency {
		sending.Go(func() {
			for ctx.Err() == nil {
				sequence := int(next.Add(1))
				if sequence > c.requests {
					return
				}
				r := newEchoRequest(c, sequence, filler)
				outcome, quote := r.send(ctx, client)
				mu.Lock()
				result.Outcomes[outcome]++
				if quote != "" && len(result.Mixed) < maxQuoted {
					result.Mixed = append(result.Mixed, quote)
				}
				record(fmt.Sprintf("%s %s %s\n", r.nonce, r.method, outcome))
				mu.Unlock()
				if sequence%1000 == 0 {
					fmt.Fprintf(stderr, "done %d\n", sequence)
				}
			}
		})
	}
	sending.Wait()
	result.Seconds = time.Since(begin).Seconds()
	if err := ctx.Err(); err != nil {
		return result, fmt.Errorf("interrupted: %w", err)
	}
	return result, nil
}

// echoRequest is one request and what it plans to do.
type echoRequest struct {
	nonce   string
	method  string
	url     string
	body    []byte
	timeout time.Duration
	abandon bool
}

func newEchoRequest(c echoConfig, sequence int, filler []byte) echoRequest {
	var random [12]byte
	crand.Read(random[:])
	r := echoRequest{
		nonce:   fmt.Sprintf("%x-%s", sequence, hex.EncodeToString(random[:])),
		method:  http.MethodPost,
		timeout: c.timeout,
	}
	pause := 0
	switch {
	case c.stalls > 0 && sequence%(c.requests/c.stalls+1) == c.requests/c.stalls/2+1:
		pause = c.stallMS
	case rand.Float64() < c.abandon:
		r.abandon = true
		r.timeout = time.Duration(rand.Int64N(int64(3 * time.Millisecond)))
	}
	if pause == 0 && c.workMS > 0 {
		pause = rand.IntN(c.workMS + 1)
	}
	r.url = c.url + "/" + r.nonce
	if pause > 0 {
		r.url += fmt.Sprintf("?ms=%d", pause)
	}
	if rand.Float64() < c.gets {
		r.method = http.MethodGet
		return r
	}
	size := rand.IntN(min(c.maxBody, 64) + 1)
	if sequence%16 == 0 {
		size = rand.IntN(c.maxBody + 1)
	}
	r.body = append([]byte(r.nonce), filler[:size]...)
	return r
}

// send returns the outcome and, for a wrong answer, a quotation of it.
func (r echoRequest) send(ctx context.Context, client *http.Client) (outcome, quote string) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return err.Error(), ""
	}
	request.Header.Set("X-Nonce", r.nonce)
	response, err := client.Do(request)
	if err != nil {
		return r.failure(err), ""
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		if outcome := r.failure(err); outcome == outcomeAbandoned || response.StatusCode != http.StatusOK {
			return outcome, ""
		}
		return outcomeTruncated, ""
	}
	if bytes.HasPrefix(got, []byte("mixed:")) {
		return outcomeMixed, string(got)
	}
	if response.StatusCode != http.StatusOK {
		return statusError(response.StatusCode).Error(), ""
	}
	want := r.body
	if len(want) == 0 {
		want = []byte(r.nonce)
	}
	if header := response.Header.Get("X-Nonce"); header != r.nonce || !bytes.Equal(got, want) {
		return outcomeMixed, fmt.Sprintf("asked %s, got header %q, %d bytes for %d: %.60q", r.nonce, header, len(got), len(want), got)
	}
	return outcomeOK, ""
}

func (r echoRequest) failure(err error) string {
	name := reason(err)
	if r.abandon && name == "time-out" {
		return outcomeAbandoned
	}
	return name
}
