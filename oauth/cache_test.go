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
