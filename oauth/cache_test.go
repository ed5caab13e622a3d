package oauth

import (
	"testing"
	"time"

	"longlines/id"
)

func FuzzParse(f *testing.F) {
	s, err := id.NewSealer(make([]byte, 16))
	if err != nil {
		f.Fatal(err)
	}
	good, _ := mint(s, 12345)
	f.Add(good)
	f.Add("")
	f.Add(good[:63] + "=")
	f.Fuzz(func(t *testing.T, text string) {
		n, hash, ok := parse(s, text)
		if ok && (n <= 0 || hash == [32]byte{}) {
			t.Fatalf("%q gives %d", text, n)
		}
	})
}

func TestMintAndParse(t *testing.T) {
	s, err := id.NewSealer(id.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for n := id.Number(1); n < 1000; n++ {
		text, hash := mint(s, n*7919)
		got, h, ok := parse(s, text)
		if !ok || got != n*7919 || h != hash {
			t.Fatalf("%d came back as %d, %v", n*7919, got, ok)
		}
	}
}

func TestCacheKeepsNoFamilyThatIsGone(t *testing.T) {
	c := newCache(64)
	who := &principal{app: 1}
	for n := id.Number(1); n < 2000; n++ {
		c.put(n*10, entry{family: n, expires: time.Now().Unix(), who: who}, c.epoch())
	}
	if c.size() > 64 {
		t.Fatalf("%d entries", c.size())
	}
	members := 0
	for i := range c.parts {
		for _, list := range c.parts[i].members {
			members += len(list)
		}
	}
	if members > 64 {
		t.Fatalf("%d members of families are remembered for %d entries", members, c.size())
	}
}

// An app that refreshes all the time takes no more than its share of the memory, and no longer than others.
func TestCacheKeepsTheLastOfAFamily(t *testing.T) {
	c := newCache(1_000_000)
	const family, all = id.Number(1), 3 * maxMembers
	for n := range id.Number(all) {
		c.put(n*3+10, entry{family: family, expires: 1 << 60, who: &principal{app: 1}}, c.epoch())
	}
	if n := len(c.part(family).members[family]); n != maxMembers || c.size() != maxMembers {
		t.Errorf("%d members and %d entries", n, c.size())
	}
	for n := range id.Number(all) {
		if _, ok := c.get(n*3 + 10); ok != (n >= all-maxMembers) {
			t.Fatalf("token %d is kept: %v", n, ok)
		}
	}
	c.revoked(family)
	if c.size() != 0 {
		t.Errorf("%d entries outlive their family", c.size())
	}
}

// BenchmarkCacheFamily is what one more token of a family costs that is as large as may be, in a cache that is full.
func BenchmarkCacheFamily(b *testing.B) {
	c := newCache(5 * maxMembers)
	who := &principal{app: 1}
	n := id.Number(10)
	put := func(family id.Number) {
		n += 3
		c.put(n, entry{family: family, expires: int64(n), who: who}, c.epoch())
	}
	for range 5 * maxMembers {
		put(1)
		put(n)
	}
	for b.Loop() {
		put(1)
	}
}

// BenchmarkCacheSize shows what a token costs when there are many.
func BenchmarkCacheSize(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		c := newCache(size * 2)
		who := &principal{app: 1}
		for n := range id.Number(size) {
			c.put(n*2+1, entry{family: n * 2, expires: 1 << 60, who: who}, 0)
		}
		b.Run(map[int]string{100_000: "100k", 1_000_000: "1M"}[size], func(b *testing.B) {
			n := uint64(1)
			for b.Loop() {
				n = n*6364136223846793005 + 1442695040888963407
				c.get(id.Number(n>>32%uint64(size))*2 + 1)
			}
		})
	}
}
