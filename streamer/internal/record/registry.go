package record

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/schema"
)

// ErrRefused is why a record cannot be encoded now or later: the registry has
// answered, and will not have the schema under this subject. Any other error of
// Prepare is a registry that is away, or busy, or does not let us in, and worth
// another try.
var ErrRefused = errors.New("the registry refuses the schema")

// schemaID asks for the id of our schema under subject, and registers it where
// the registry does not have it. Asking first lets a streamer run that may read
// the registry only, where somebody else registers schemas.
func (e *Encoder) schemaID(ctx context.Context, subject string) (int, error) {
	ours := sr.Schema{Schema: schema.Trade, Type: sr.TypeAvro}
	found, err := e.registry.LookupSchema(ctx, subject, ours)
	if err == nil {
		return found.ID, nil
	}
	if !notThere(err) {
		return 0, outcome("look up", subject, err)
	}
	id, err := e.registry.RegisterSchema(ctx, subject, ours, -1, -1)
	if err != nil {
		return 0, outcome("register", subject, err)
	}
	return id, nil
}

// notThere tells whether the registry has answered that it has no such subject,
// schema or id. A 404 without one of its codes is not the registry's: a proxy
// or a wrong path.
func notThere(err error) bool {
	var no *sr.ResponseError
	return errors.As(err, &no) && no.StatusCode == http.StatusNotFound && sr.IsNotFoundError(no.ErrorCode)
}

// outcome says what was being done and whether it is worth another try.
func outcome(doing, subject string, err error) error {
	if retryable(err) {
		return fmt.Errorf("%s the schema of %s: %w", doing, subject, err)
	}
	return fmt.Errorf("%s the schema of %s: %w: %w", doing, subject, ErrRefused, err)
}

// retryable tells whether a call to the registry may succeed later as it is.
func retryable(err error) bool {
	var no *sr.ResponseError
	if !errors.As(err, &no) {
		return true // no answer
	}
	switch no.StatusCode {
	case http.StatusConflict: // incompatible with what the subject has
		return false
	case http.StatusUnprocessableEntity:
		// Not a valid schema; but a registry in read-only mode answers with
		// the same status, and will leave that mode.
		return no.ErrorCode == sr.ErrOperationNotPermitted.Code
	default:
		// 401 and 403 too: a password is replaced without a restart, and no
		// trade must go to quarantine for a password.
		return true
	}
}

// Compatible asks whether our schema is registered under subject or could be;
// it registers nothing. registered tells which. The error wraps ErrRefused when
// the registry has answered that it could not.
func Compatible(ctx context.Context, registry *sr.Client, subject string) (registered bool, err error) {
	ours := sr.Schema{Schema: schema.Trade, Type: sr.TypeAvro}
	_, err = registry.LookupSchema(ctx, subject, ours)
	if err == nil {
		return true, nil
	}
	if !notThere(err) {
		return false, outcome("look up", subject, err)
	}
	judged, err := registry.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, ours)
	switch {
	case err != nil && notThere(err): // nothing to be compatible with
		return false, nil
	case err != nil:
		return false, outcome("check", subject, err)
	case !judged.Is:
		return false, fmt.Errorf("check the schema of %s: %w: not compatible with the newest version there %v", subject, ErrRefused, judged.Messages)
	}
	return false, nil
}
