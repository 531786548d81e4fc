package main

import (
	"os"
	"strconv"
	"strings"
	"unsafe"
)

// title is the memory where the kernel put our arguments and, behind them, the environment. ps shows what stands there.
type title struct {
	area []byte
	args int // bytes of the arguments
}

// takeTitle copies os.Args away, which the runtime leaves where they are, and returns their memory. It must be called before anything
// keeps a part of them. The environment the runtime has copied.
func takeTitle() title {
	if len(os.Args) == 0 || os.Args[0] == "" {
		return title{}
	}
	start := unsafe.StringData(os.Args[0])
	for i, arg := range os.Args {
		os.Args[i] = strings.Clone(arg)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return title{}
	}
	// arg_start to env_end are the 48th to 51st field; the name, which is the second, may contain anything but ends the last bracket.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const first, before = 48, 3 // fields[0] is the third
	if len(fields) <= first-before+3 {
		return title{}
	}
	var at [4]uint64
	for i := range at {
		if at[i], err = strconv.ParseUint(fields[first-before+i], 10, 64); err != nil {
			return title{}
		}
	}
	if uint64(uintptr(unsafe.Pointer(start))) != at[0] || at[1] <= at[0] {
		return title{}
	}
	end := at[1]
	if at[2] == at[1] && at[3] > at[2] {
		end = at[3]
	}
	return title{area: unsafe.Slice(start, int(end-at[0])), args: int(at[1] - at[0])}
}

// set shows text as our title, cut to the room that there is, and its beginning as the name of the process.
func (t title) set(text string) {
	if len(t.area) == 0 {
		return
	}
	text = text[:min(len(text), len(t.area)-1)]
	clear(t.area[:t.args])
	copy(t.area, text)
	if len(text) >= t.args {
		t.area[len(text)] = 0
	}
}
