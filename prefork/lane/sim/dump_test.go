package sim

import (
	"fmt"
	"testing"
	"time"
)

func TestDump(t *testing.T) {
	for _, tr := range Traces() {
		fmt.Println("##", tr.Title)
		for _, c := range Peers {
			t0 := time.Now()
			s := play(tr, c).score()
			fmt.Printf("%-30s p50 %7.1f p99 %8.1f max %8.1f fail %4d slow/s %5.2f mean %6.2f longest %6.2f starved %4d refused %4d left %4d guest %.2f  (%v)\n", c.Name, s.PageP50*1e3, s.PageP99*1e3, s.PageMax*1e3, s.PagesFailed, s.SlowRate, s.SlowMean, s.SlowLongest, s.Starved, s.Refused, s.Left, s.Guest, time.Since(t0).Round(time.Millisecond))
		}
	}
}
