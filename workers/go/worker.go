package dalsegno

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"regexp"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Error fails an activity: Type is what retry policies look at. Other errors have the type "error".
type Error struct {
	Message, Type string
	NonRetryable  bool
}

func (e *Error) Error() string { return e.Message }

// Task is one attempt of one activity, as docs/protocol.cddl has it.
type Task struct {
	WorkflowID       string            `json:"workflow_id"`
	RunID            string            `json:"run_id"`
	ActivityID       string            `json:"activity_id"`
	ActivityType     string            `json:"activity_type"`
	Attempt          int64             `json:"attempt"`
	Token            string            `json:"token"`
	Fence            int64             `json:"fence"`
	IdempotencyKey   string            `json:"idempotency_key"`
	Acknowledge      string            `json:"acknowledge"`
	Exchange         string            `json:"exchange"`
	RoutingKey       string            `json:"routing_key"`
	Args             []json.RawMessage `json:"args"`
	StartToClose     int64             `json:"start_to_close"` // microseconds; 0 if there is none
	HeartbeatTimeout int64             `json:"heartbeat_timeout"`
	AutoHeartbeat    bool              `json:"auto_heartbeat"`
	HeartbeatDetails json.RawMessage   `json:"heartbeat_details"` // of the attempt before

	beats chan json.RawMessage
}

// Heartbeat says how far the work is. It is sent at a third of the heartbeat timeout, with the newest details. The
// error is that of details that have no JSON.
func (t *Task) Heartbeat(details any) error {
	if details == nil {
		t.beats <- nil
		return nil
	}
	data, err := json.Marshal(details)
	if err == nil {
		t.beats <- data
	}
	return err
}

// Activity does the work. Its context ends when the workflow wants it to stop, or it takes too long.
type Activity func(ctx context.Context, task *Task) (any, error)

type attempt struct {
	*Task
	worker     *Worker
	key        string
	channel    *amqp.Channel // that has delivered it last: the only one that can acknowledge it
	deliveries []uint64      // not acknowledged yet; more than one where a task comes twice
	ctx        context.Context
	cancel     context.CancelCauseFunc
	grant      chan bool
	saidSo     bool
}

var (
	errCanceled = fmt.Errorf("the workflow wants it to stop: %w", context.Canceled)
	errTooLong  = errors.New("the attempt took too long")
	slotKey     = regexp.MustCompile(`^slot\.\d+$`)
)

// Worker serves a task queue.
type Worker struct {
	URL, TaskQueue string
	Activities     map[string]Activity
	Slots          int

	mutex     sync.Mutex
	name      string
	lives     int
	ownQueue  string
	channel   *amqp.Channel // that tasks come from; nil while there is no connection
	publisher *publisher
	attempts  map[string]*attempt
	settled   map[string]bool // done, but their channel was gone before they were acknowledged
	slots     chan struct{}
}

// Run serves for ever; a connection that is lost is made anew.
func (w *Worker) Run() {
	w.name = "dalsegno.worker." + newID()
	w.attempts, w.settled = map[string]*attempt{}, map[string]bool{}
	w.slots = make(chan struct{}, w.Slots)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		if connection, err := amqp.Dial(w.URL); err != nil {
			log.Print("connection: ", err)
		} else {
			if err := w.serve(connection); err != nil {
				log.Print("connection: ", err)
			} else {
				wait = 100 * time.Millisecond
			}
			connection.Close()
		}
		w.mutex.Lock()
		w.channel, w.publisher = nil, nil
		w.mutex.Unlock()
		time.Sleep(wait)
	}
}

func (w *Worker) serve(connection *amqp.Connection) error {
	publisher, err := newPublisher(connection)
	if err != nil {
		return err
	}
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	// The broker may hold the queue of the connection before; what comes before "~" is the same process.
	own, queue := w.name, "dalsegno.tasks."+w.TaskQueue
	if w.lives++; w.lives > 1 {
		own = fmt.Sprintf("%s~%d", w.name, w.lives-1)
	}
	if err := channel.Qos(w.Slots, 0, false); err != nil {
		return err
	}
	if _, err := channel.QueueDeclare(queue, true, false, false, false, taskQueueArguments); err != nil {
		return err
	}
	if _, err := channel.QueueDeclare(own, false, false, true, false, nil); err != nil {
		return err
	}
	directives, err := channel.Consume(own, "", true, true, false, false, nil)
	if err != nil {
		return err
	}
	tasks, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	w.mutex.Lock()
	w.channel, w.publisher, w.ownQueue = channel, publisher, own
	for _, each := range w.attempts {
		if each.saidSo {
			go each.started()
		}
	}
	w.mutex.Unlock()
	for {
		select {
		case delivery, open := <-directives:
			if !open {
				return nil
			}
			w.onDirective(delivery)
		case delivery, open := <-tasks:
			if !open { // the connection is gone, or the queue was deleted: declare it anew
				return nil
			}
			w.onTask(channel, delivery)
		}
	}
}

func (w *Worker) onDirective(delivery amqp.Delivery) {
	var word struct {
		Task
		Granted bool `json:"granted"`
	}
	if json.Unmarshal(delivery.Body, &word) != nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, each := range w.attempts {
		isIt := each.RunID == word.RunID && each.ActivityID == word.ActivityID && each.Attempt == word.Attempt
		if !isIt || (word.Token != "" && word.Token != each.Token) {
			continue
		}
		if delivery.Type == "activity.cancel" {
			each.cancel(errCanceled)
		} else if delivery.Type == "activity.grant" {
			select {
			case each.grant <- word.Granted:
			default: // it has one already
			}
		}
	}
}

func (w *Worker) onTask(channel *amqp.Channel, delivery amqp.Delivery) {
	task := &Task{beats: make(chan json.RawMessage)}
	err := json.Unmarshal(delivery.Body, task)
	if err == nil && (task.Exchange != "dalsegno.results" || !slotKey.MatchString(task.RoutingKey)) {
		err = errors.New("its address is no workflow's")
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if err != nil {
		headers := amqp.Table{"x-dalsegno-reason": "no task that a worker can read: " + err.Error()}
		dead := amqp.Publishing{Type: delivery.Type, ContentType: delivery.ContentType, Headers: headers, Body: delivery.Body}
		go func(publisher *publisher) {
			if publisher.publish("dalsegno.dead", "invalid", dead) == nil {
				channel.Ack(delivery.DeliveryTag, false)
			}
		}(w.publisher)
		return
	}
	key := fmt.Sprintf("%q %q %d %s", task.RunID, task.ActivityID, task.Attempt, task.Token)
	if w.settled[key] {
		delete(w.settled, key)
		channel.Ack(delivery.DeliveryTag, false)
		return
	}
	if known := w.attempts[key]; known != nil { // it still works: not run twice, but acknowledged with the first
		if known.channel != channel {
			known.channel, known.deliveries = channel, nil
		}
		known.deliveries = append(known.deliveries, delivery.DeliveryTag)
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	each := &attempt{Task: task, worker: w, key: key, channel: channel, deliveries: []uint64{delivery.DeliveryTag},
		ctx: ctx, cancel: cancel, grant: make(chan bool, 1)}
	w.attempts[key] = each
	go each.run()
}

func (a *attempt) run() {
	a.worker.slots <- struct{}{}
	defer func() { <-a.worker.slots }()
	defer a.cancel(nil)
	late := a.Acknowledge == "" || a.Acknowledge == "late"
	if !late {
		granted := a.isGranted()
		if !granted && a.ctx.Err() != nil {
			a.outcome("activity.canceled", nil)
		}
		a.acknowledge(!granted) // from here on the engine notices by the heartbeats if we die
		if !granted {
			return
		}
	}
	kind, fields := a.perform()
	a.outcome(kind, fields)
	a.acknowledge(true)
}

func (a *attempt) isGranted() bool {
	for wait := 5 * time.Second; ; wait = min(2*wait, time.Minute) {
		a.started()
		select {
		case granted := <-a.grant:
			return granted
		case <-a.ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

type done struct {
	result any
	err    error
}

func (a *attempt) perform() (string, Fields) {
	over := make(chan done, 1)
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil {
				over <- done{nil, &Error{Message: fmt.Sprint(panicked), Type: "panic"}}
			}
		}()
		activity, known := a.worker.Activities[a.ActivityType]
		if !known {
			over <- done{nil, &Error{Message: "no activity " + a.ActivityType + " here", Type: "ActivityNotFound"}}
			return
		}
		result, err := activity(a.ctx, a.Task)
		over <- done{result, err}
	}()
	third, limit := a.HeartbeatTimeout, a.StartToClose
	if third == 0 {
		third = 90_000_000
	}
	if limit == 0 {
		limit = math.MaxInt64 / 1000
	}
	beat := time.NewTicker(time.Duration(max(third/3, 1)) * time.Microsecond)
	defer beat.Stop()
	announce, tooLong := time.After(time.Second), time.After(time.Duration(limit)*time.Microsecond)
	details := Fields{}
	for due := a.AutoHeartbeat; ; {
		select {
		case newest := <-a.beats:
			due = true
			if newest != nil {
				details = Fields{"details": newest}
			}
		case <-announce:
			a.started()
		case <-beat.C:
			if due {
				a.say("activity.heartbeat", Fields{"details": details["details"]})
			}
			due = a.AutoHeartbeat
		case <-tooLong:
			a.cancel(errTooLong)
			go a.drain(over)
			return "activity.failed", Fields{"failure": Fields{
				"kind": "timed_out", "timeout_type": "start_to_close", "message": errTooLong.Error()}}
		case end := <-over:
			var typed *Error
			var result json.RawMessage
			if end.err == nil {
				result, end.err = json.Marshal(end.result)
			}
			switch {
			case end.err == nil:
				return "activity.completed", Fields{"result": result}
			case errors.Is(context.Cause(a.ctx), errCanceled) && errors.Is(end.err, context.Canceled):
				return "activity.canceled", details
			case errors.Is(end.err, errUnreadable):
				typed = &Error{Message: end.err.Error(), Type: "PayloadUnreadable"}
			case !errors.As(end.err, &typed):
				typed = &Error{Message: end.err.Error(), Type: "error"}
			}
			return "activity.failed", Fields{"failure": Fields{
				"message": typed.Message, "type": typed.Type, "non_retryable": typed.NonRetryable}}
		}
	}
}

// drain lets the activity say on what nobody waits for any more.
func (a *attempt) drain(over <-chan done) {
	for {
		select {
		case <-a.beats:
		case <-over:
			return
		}
	}
}

func (a *attempt) started() {
	a.worker.mutex.Lock()
	a.saidSo = true
	a.worker.mutex.Unlock()
	a.say("activity.started", Fields{})
}

// say says something once, and nothing is lost if it does not arrive: what shows that we live is said again.
func (a *attempt) say(kind string, fields Fields) {
	if err := a.tell(kind, fields); err != nil {
		log.Print(kind, ": ", err)
	}
}

// outcome returns when the broker has it: only then may the task be acknowledged.
func (a *attempt) outcome(kind string, fields Fields) {
	for err := a.tell(kind, fields); err != nil; err = a.tell(kind, fields) {
		log.Print(kind, ": ", err)
		time.Sleep(200 * time.Millisecond)
	}
}

func (a *attempt) tell(kind string, fields Fields) error {
	a.worker.mutex.Lock()
	publisher, own := a.worker.publisher, a.worker.ownQueue
	a.worker.mutex.Unlock()
	if publisher == nil {
		return errors.New("there is no connection")
	}
	body := Fields{"workflow_id": a.WorkflowID, "run_id": a.RunID, "activity_id": a.ActivityID, "attempt": a.Attempt,
		"token": a.Token}
	for name, value := range fields {
		if value != nil || name == "result" { // what there is nothing to say for is left out
			body[name] = value
		}
	}
	if kind == "activity.started" || kind == "activity.heartbeat" {
		body["worker"] = own
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return publisher.publish(a.Exchange, a.RoutingKey, amqp.Publishing{Type: kind, MessageId: newID(), Body: data})
}

func (a *attempt) acknowledge(over bool) {
	w := a.worker
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if a.channel == w.channel {
		for _, tag := range a.deliveries {
			a.channel.Ack(tag, false)
		}
		a.deliveries = nil
	} else if over && len(a.deliveries) > 0 {
		w.settled[a.key] = true // the broker delivers it again
	}
	if over {
		delete(w.attempts, a.key)
	}
}
