package kafka

import (
	"bytes"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lz4Batches compresses produce batches with lz4 in blocks of 64 KiB. The
// client's own compressor takes the default block of 4 MiB, and with it a
// buffer of that size for every batch in the making: 12 MB at rest, for batches
// that never reach 400 KB. The format's window is 64 KiB, so smaller blocks
// lose next to nothing. Frames carry no checksum of their content, as those of
// Kafka's Java client: a record batch has its own.
type lz4Batches struct{ writers sync.Pool }

func newLz4Batches() *lz4Batches {
	return &lz4Batches{writers: sync.Pool{New: func() any {
		w := lz4.NewWriter(nil)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
			return err // a block size that the library does not know: not possible
		}
		return w
	}}}
}

// Compress implements kgo.Compressor.
func (c *lz4Batches) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	w, ok := c.writers.Get().(*lz4.Writer)
	if !ok {
		return nil, kgo.CodecError
	}
	defer c.writers.Put(w)
	w.Reset(dst)
	if _, err := w.Write(src); err != nil {
		return nil, kgo.CodecError
	}
	if err := w.Close(); err != nil {
		return nil, kgo.CodecError
	}
	return dst.Bytes(), kgo.CodecLz4
}
