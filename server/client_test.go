package server

import "testing"

func TestClientsAreToldApartByAddress(t *testing.T) {
	same := [][]string{
		{"192.0.2.1", " 192.0.2.1", "192.0.2.1:4711", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"},
		{"192.0.2.2"},
		{"2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "[2001:db8:1:2::9]:443", "2001:db8:1:2::"},
		{"2001:db8:1:3::1"},
		{"2001:db8::1", "2001:db8::2"},
		{"::1"},
		{"unknown"},
	}
	seen := map[uint64]string{}
	for _, group := range same {
		for _, address := range group {
			n := ClientOf([]byte(address))
			if n == 0 || n != ClientOf([]byte(group[0])) {
				t.Errorf("%s is %x, %s is %x", address, n, group[0], ClientOf([]byte(group[0])))
			}
			if other, taken := seen[n]; taken && other != group[0] {
				t.Errorf("%s and %s are one client", other, group[0])
			}
			seen[n] = group[0]
		}
	}
	if n := ClientOf(nil); n != 0 {
		t.Errorf("no address is %x", n)
	}
}

func TestClientNeedsNoMemory(t *testing.T) {
	list := []byte("10.0.0.1, 2001:db8:1:2::1")
	if n := testing.AllocsPerRun(100, func() { ClientOf(lastOf(list)) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
