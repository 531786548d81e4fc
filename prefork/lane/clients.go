package lane

const (
	clientSets = 256 // of clientWays clients each: that many are told apart in one lane
	clientWays = 4
)

// clients is the virtual time up to which each client of a lane has been charged. It is bounded: where many meet, those are remembered
// that are charged furthest ahead, and the others cost nothing to forget.
type clients struct {
	sets *[clientSets][clientWays]account
}

type account struct {
	client uint64
	until  int64
}

// charge returns the virtual time at which a request of that cost ought to be done: after all that the client has asked for already, or
// after what is being done now.
func (c *clients) charge(client uint64, clock, cost int64) int64 {
	a := c.account(client)
	if a.client != client {
		*a = account{client: client}
	}
	a.until = max(clock, a.until) + max(cost, 1)
	return a.until
}

// peek is what charge would return.
func (c *clients) peek(client uint64, clock, cost int64) int64 {
	if a := c.account(client); a.client == client {
		clock = max(clock, a.until)
	}
	return clock + max(cost, 1)
}

// refund takes back what a request that was not served was charged.
func (c *clients) refund(client uint64, cost int64) {
	if a := c.account(client); a.client == client {
		a.until -= max(cost, 1)
	}
}

// account returns the account of a client, or the one to be given up for it.
func (c *clients) account(client uint64) *account {
	if c.sets == nil {
		c.sets = new([clientSets][clientWays]account)
	}
	set := &c.sets[client*0x9e3779b97f4a7c15>>56] // Fibonacci hashing; the top eight bits
	least := &set[0]
	for i := range set {
		a := &set[i]
		if a.client == client {
			return a
		}
		if a.until < least.until {
			least = a
		}
	}
	return least
}
