// go run ./example worker|conformance QUEUE, or: go run ./example start|result|signal|query|update|cancel ID ...
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	dalsegno "dalsegno.dev/worker"
)

var counted atomic.Int64

var activities = map[string]dalsegno.Activity{
	"charge": func(_ context.Context, task *dalsegno.Task) (any, error) {
		var amount int
		var currency string
		if err := read(task, &amount, &currency); err != nil {
			return nil, err
		}
		return map[string]string{"receipt": fmt.Sprintf("%d %s", amount, currency)}, nil
	},
	"flaky": func(_ context.Context, task *dalsegno.Task) (any, error) {
		var failures int64
		if err := read(task, &failures); err != nil {
			return nil, err
		}
		if task.Attempt <= failures {
			return nil, &dalsegno.Error{Message: "the bank is busy", Type: "BankBusy"}
		}
		return fmt.Sprintf("attempt %d", task.Attempt), nil
	},
	"decline": func(context.Context, *dalsegno.Task) (any, error) {
		return nil, &dalsegno.Error{Message: "no such card", Type: "CardDeclined", NonRetryable: true}
	},
	"export": func(ctx context.Context, task *dalsegno.Task) (any, error) {
		var pages, page int
		var seconds float64
		if err := read(task, &pages, &seconds); err != nil {
			return nil, err
		}
		if task.HeartbeatDetails != nil {
			if err := dalsegno.Decode(task.HeartbeatDetails, &page); err != nil {
				return nil, err
			}
		}
		for ; page < pages; page++ {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(time.Duration(seconds * float64(time.Second))): // stands for the work
				if err := task.Heartbeat(page + 1); err != nil {
					return nil, err
				}
			}
		}
		return fmt.Sprintf("%d pages", pages), nil
	},
	"unwritable": func(_ context.Context, task *dalsegno.Task) (any, error) { // has no JSON, and fails the attempt
		var where string
		if err := read(task, &where); err != nil {
			return nil, err
		}
		if where == "heartbeat" {
			return nil, task.Heartbeat(func() {})
		}
		return func() {}, nil
	},
	"count": func(_ context.Context, task *dalsegno.Task) (any, error) {
		mine := counted.Add(1)
		var seconds float64
		if err := read(task, &seconds); err != nil {
			return nil, err
		}
		for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
			task.Heartbeat(nil)
		}
		return mine, nil
	},
}

func read(task *dalsegno.Task, targets ...any) error {
	if len(task.Args) != len(targets) {
		return &dalsegno.Error{Message: "another number of arguments", Type: "BadArguments", NonRetryable: true}
	}
	for i, target := range targets {
		if err := dalsegno.Decode(task.Args[i], target); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	url := os.Getenv("AMQP_URL")
	if len(os.Args) < 3 {
		fail(fmt.Errorf("worker|conformance QUEUE, or start|result|signal|query|update|cancel ID ..."))
	}
	if os.Args[1] == "worker" {
		(&dalsegno.Worker{URL: url, TaskQueue: os.Args[2], Activities: activities, Slots: 10}).Run()
	}
	if os.Args[1] == "conformance" {
		(&dalsegno.Worker{URL: url, TaskQueue: os.Args[2], Activities: conformance, Slots: 10}).Run()
	}
	client, err := dalsegno.Connect(url)
	if err != nil {
		fail(err)
	}
	defer client.Close()
	id, name, args := os.Args[2], "", []any{}
	if len(os.Args) > 3 {
		name = os.Args[3]
		for _, text := range os.Args[4:] {
			args = append(args, json.RawMessage(text))
		}
	}
	var said any
	switch os.Args[1] {
	case "start":
		said, err = client.Start(fmt.Sprintf("%s %d", id, time.Now().UnixNano()), name, id, args...)
	case "result":
		err = client.Result(&said, id)
	case "signal":
		err = client.Signal(id, name, args...)
	case "query":
		err = client.Query(&said, id, name, args...)
	case "update":
		err = client.Update(&said, id, name, args...)
	case "cancel":
		err = client.Cancel(id, strings.Join(os.Args[3:], " "))
	}
	if err != nil {
		fail(err)
	}
	text, _ := json.Marshal(said)
	fmt.Println(string(text))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
