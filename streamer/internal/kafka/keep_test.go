package kafka

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// division is who has how many of n partitions after divide.
func division(n int32, shares []int, claims map[int32]int) (has [][]place, holders []*holder) {
	for i, share := range shares {
		holders = append(holders, &holder{member: &kmsg.JoinGroupResponseMember{MemberID: fmt.Sprint(i)}, share: share})
	}
	claimed := map[place]*holder{}
	for partition, i := range claims {
		claimed[place{topic, partition}] = holders[i]
	}
	divide(holders, claimed, map[string]int32{topic: n})
	for _, h := range holders {
		has = append(has, h.has)
	}
	return has, holders
}

const all = 1000 // a share that is never reached

func TestDivide(t *testing.T) {
	f := func(name string, n int32, shares []int, claims map[int32]int, want ...int) {
		t.Helper()
		has, _ := division(n, shares, claims)
		var got []int
		for _, places := range has {
			got = append(got, len(places))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	first := map[int32]int{0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}
	f("alone", 6, []int{all}, nil, 6)
	f("one that joins stands by", 6, []int{all, all}, first, 6, 0)
	f("what a member left goes to those that stay", 6, []int{all, all}, map[int32]int{0: 0, 1: 0}, 3, 3)
	f("with a share of two, three carry it", 6, []int{2, 2, 2}, first, 2, 2, 2)
	f("with a share of two, two carry it all", 6, []int{2, 2}, first, 4, 2)
	f("alone beyond its share", 6, []int{2}, first, 6)
	f("the fourth stands by", 6, []int{2, 2, 2, 2}, map[int32]int{0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}, 2, 2, 2, 0)
}

// However shares and claims are: each partition has one member; nobody within
// its share loses one; and nobody has more than its share while another has
// room.
func TestDivideProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int32Range(1, 20).Draw(t, "partitions")
		shares := rapid.SliceOfN(rapid.IntRange(1, 25), 1, 6).Draw(t, "shares")
		claims := rapid.MapOf(rapid.Int32Range(0, n-1), rapid.IntRange(0, len(shares)-1)).Draw(t, "claims")
		has, holders := division(n, shares, claims)
		owner := map[int32]int{}
		for i, places := range has {
			for _, at := range places {
				if _, twice := owner[at.partition]; twice {
					t.Fatalf("partition %d is given twice", at.partition)
				}
				owner[at.partition] = i
			}
		}
		if len(owner) != int(n) {
			t.Fatalf("%d of %d partitions have a member: %v", len(owner), n, slices.Sorted(maps.Keys(owner)))
		}
		claimed := make([]int, len(shares))
		for _, i := range claims {
			claimed[i]++
		}
		for partition, i := range claims {
			if claimed[i] <= shares[i] && owner[partition] != i {
				t.Fatalf("member %d lost partition %d, within its share", i, partition)
			}
		}
		room := slices.ContainsFunc(holders, func(h *holder) bool { return h.room() > 0 })
		if room && slices.ContainsFunc(holders, func(h *holder) bool { return h.room() < 0 }) {
			t.Fatalf("a member has more than its share while another has room: %v", has)
		}
	})
}
