package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	dalsegno "dalsegno.dev/worker"
)

var begun atomic.Int64

// What `dalsegno conformance worker` asks of a worker: docs/protocol-worker.md, "Conformance".
var conformance = map[string]dalsegno.Activity{
	"conformance.echo": func(_ context.Context, task *dalsegno.Task) (any, error) {
		var value json.RawMessage
		return value, read(task, &value)
	},
	"conformance.fail": func(_ context.Context, task *dalsegno.Task) (any, error) {
		failure := &dalsegno.Error{}
		if err := read(task, &failure.Type, &failure.Message, &failure.NonRetryable); err != nil {
			return nil, err
		}
		return nil, failure
	},
	"conformance.sleep": func(_ context.Context, task *dalsegno.Task) (any, error) {
		var seconds float64
		if err := read(task, &seconds); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(seconds * float64(time.Second)))
		return seconds, nil
	},
	"conformance.beat": func(ctx context.Context, task *dalsegno.Task) (any, error) {
		var seconds float64
		counted := 0
		if err := read(task, &seconds); err != nil {
			return nil, err
		}
		if task.HeartbeatDetails != nil {
			if err := dalsegno.Decode(task.HeartbeatDetails, &counted); err != nil {
				return nil, err
			}
		}
		for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
			counted++
			if err := task.Heartbeat(counted); err != nil {
				return nil, err
			}
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(100 * time.Millisecond):
			}
		}
		return counted, nil
	},
	"conformance.count": func(_ context.Context, task *dalsegno.Task) (any, error) {
		mine := begun.Add(1)
		var seconds float64
		if err := read(task, &seconds); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(seconds * float64(time.Second)))
		return mine, nil
	},
}
