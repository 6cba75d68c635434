package kafka

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keep divides partitions among the members of a group so that whoever has one
// keeps it: a member that joins stands by, and takes over what a member that is
// gone has left. A member gives partitions away only when it has more than its
// share and somebody else has room. So a second streamer is a standby by
// default, and with a share several carry what is too much for one.
//
// The balancers that come with the client all even out, which moves half of the
// partitions, with a pause in each, whenever a standby comes or goes.
//
// Partitions move cooperatively (KIP-429): given away in one round, taken in
// the next.
type keep struct {
	share  int
	adrift func() []place // what the member goes on with although the group has lost it
}

var (
	_ kgo.GroupBalancer           = keep{}
	_ kgo.ConsumerBalancerBalance = keep{}
)

// ProtocolName implements kgo.GroupBalancer.
func (keep) ProtocolName() string { return "steadfeed-keep" }

// IsCooperative implements kgo.GroupBalancer.
func (keep) IsCooperative() bool { return true }

// JoinGroupMetadata implements kgo.GroupBalancer: it says what this member has,
// and its share. What it goes on with while adrift it has too, though the client
// does not think so: else half of it would go to a standby whenever a
// connection breaks. Who has been given it meanwhile is of a later generation.
func (k keep) JoinGroupMetadata(topics []string, has map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics, meta.Generation = 3, topics, generation
	all := map[string][]int32{}
	for topic, partitions := range has {
		all[topic] = slices.Clone(partitions)
	}
	for _, at := range k.adrift() {
		if !slices.Contains(all[at.topic], at.partition) {
			all[at.topic] = append(all[at.topic], at.partition)
		}
	}
	for topic, partitions := range all {
		owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
		owned.Topic, owned.Partitions = topic, partitions
		meta.OwnedPartitions = append(meta.OwnedPartitions, owned)
	}
	slices.SortFunc(meta.OwnedPartitions, func(a, b kmsg.ConsumerMemberMetadataOwnedPartition) int { return cmp.Compare(a.Topic, b.Topic) })
	meta.UserData = binary.BigEndian.AppendUint32(nil, uint32(k.share))
	return meta.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer.
func (keep) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	return kgo.ParseConsumerSyncAssignment(assignment)
}

// MemberBalancer implements kgo.GroupBalancer.
func (k keep) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	b, err := kgo.NewConsumerBalancer(k, members)
	if err != nil {
		return nil, nil, err
	}
	return b, b.MemberTopics(), nil
}

// holder is a member while partitions are divided.
type holder struct {
	member     *kmsg.JoinGroupResponseMember
	generation int32
	share      int
	has        []place
}

// room is how many more partitions the member is glad to take.
func (h *holder) room() int { return h.share - len(h.has) }

// Balance implements kgo.ConsumerBalancerBalance.
func (keep) Balance(b *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	var holders []*holder
	claims := map[place]*holder{}
	b.EachMember(func(member *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		h := &holder{member: member, generation: meta.Generation, share: math.MaxInt32}
		if len(meta.UserData) == 4 {
			if share := int(binary.BigEndian.Uint32(meta.UserData)); share > 0 {
				h.share = share
			}
		}
		holders = append(holders, h)
		for _, owned := range meta.OwnedPartitions {
			for _, partition := range owned.Partitions {
				at := place{owned.Topic, partition}
				// Of two that claim a partition, the one that was in the group
				// last is right.
				if other := claims[at]; other == nil || other.generation < h.generation {
					claims[at] = h
				}
			}
		}
	})
	divide(holders, claims, topics)
	plan := b.NewPlan()
	for _, h := range holders {
		for _, at := range h.has {
			plan.AddPartition(h.member, at.topic, at.partition)
		}
	}
	plan.AdjustCooperative(b)
	return plan
}

// divide gives each partition of topics to one of holders. It depends on their
// order, which the client sorts, and on nothing else.
func divide(holders []*holder, claims map[place]*holder, topics map[string]int32) {
	var left []place
	for topic, partitions := range topics {
		for partition := range partitions {
			at := place{topic, partition}
			if h := claims[at]; h != nil {
				h.has = append(h.has, at)
			} else {
				left = append(left, at)
			}
		}
	}
	order := func(a, b place) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	}
	for _, h := range holders {
		slices.SortFunc(h.has, order)
		if excess := -h.room(); excess > 0 { // what others may have if they have room
			left = append(left, h.has[len(h.has)-excess:]...)
			h.has = h.has[:len(h.has)-excess]
		}
	}
	slices.SortFunc(left, order)
	for _, at := range left {
		h := roomiest(holders)
		if keeps := claims[at]; h.room() <= 0 && keeps != nil {
			h = keeps // nobody has room
		}
		h.has = append(h.has, at)
	}
}

// roomiest is the member with room that has the fewest partitions, or, where
// none has room, the one with the fewest beyond its share.
func roomiest(holders []*holder) *holder {
	return slices.MinFunc(holders, func(a, b *holder) int {
		if (a.room() > 0) != (b.room() > 0) {
			if a.room() > 0 {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(a.has), len(b.has)), cmp.Compare(a.member.MemberID, b.member.MemberID))
	})
}
