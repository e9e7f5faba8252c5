package dalsegno

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RequestError says that a request was refused, or what it asked for has failed.
type RequestError struct {
	Code, Message string // the code of the error, or the failure's kind
	Failure       json.RawMessage
}

func (e *RequestError) Error() string { return e.Code + ": " + e.Message }

type reply struct {
	Kind        string
	Status      string
	RunID       string `json:"run_id"`
	Result      json.RawMessage
	Failure     json.RawMessage
	UpdateStage string `json:"update_stage"`
	Error       *RequestError
}

// Client starts workflows, and speaks with them. One whose connection is lost is to be made anew.
type Client struct {
	connection *amqp.Connection
	publisher  *publisher
	replyQueue string
	mutex      sync.Mutex
	asked      map[string]chan reply
}

// Connect opens a client; Close ends it.
func Connect(url string) (*Client, error) {
	connection, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	client, err := open(connection)
	if err != nil {
		connection.Close()
	}
	return client, err
}

func open(connection *amqp.Connection) (*Client, error) {
	publisher, err := newPublisher(connection)
	if err != nil {
		return nil, err
	}
	queue, err := publisher.channel.QueueDeclare("", false, false, true, false, nil)
	if err != nil {
		return nil, err
	}
	replies, err := publisher.channel.Consume(queue.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	c := &Client{connection: connection, publisher: publisher, replyQueue: queue.Name, asked: map[string]chan reply{}}
	go func() {
		for delivery := range replies {
			var said reply
			if json.Unmarshal(delivery.Body, &said) != nil {
				continue
			}
			c.mutex.Lock()
			if asked := c.asked[delivery.CorrelationId]; asked != nil {
				select {
				case asked <- said:
				default: // it has come more often than anybody reads
				}
			}
			c.mutex.Unlock()
		}
	}()
	return c, nil
}

// Close ends the client.
func (c *Client) Close() error { return c.connection.Close() }

// Start returns the run ID. Where it is not known whether it has arrived, start again with the same message ID.
func (c *Client) Start(messageID, workflowType, workflowID string, args ...any) (string, error) {
	fields := Fields{"workflow_type": workflowType, "args": list(args), "replies": []string{"accepted"}}
	said, err := c.ask("workflow.start", workflowID, messageID, fields, time.Minute, kind("accepted"))
	return said.RunID, err
}

// Signal returns when the signal is recorded.
func (c *Client) Signal(workflowID, name string, args ...any) error {
	_, err := c.ask("workflow.signal", workflowID, newID(), Fields{"name": name, "args": list(args)}, time.Minute, kind("answer"))
	return err
}

// Query reads the answer into what target points to.
func (c *Client) Query(target any, workflowID, name string, args ...any) error {
	said, err := c.ask("workflow.query", workflowID, newID(), Fields{"name": name, "args": list(args)}, time.Minute, kind("answer"))
	if err != nil {
		return err
	}
	return Decode(said.Result, target)
}

// Update returns when the update is completed; it is handled once, however often it arrives.
func (c *Client) Update(target any, workflowID, name string, args ...any) error {
	id := newID()
	fields := Fields{"name": name, "args": list(args), "update_id": id, "wait_for": "completed"}
	done := func(said reply) bool { return said.UpdateStage == "completed" }
	said, err := c.ask("workflow.update", workflowID, id, fields, time.Minute, done)
	if err != nil {
		return err
	}
	return outcome(said, target)
}

// Cancel asks the run to stop.
func (c *Client) Cancel(workflowID, reason string) error {
	_, err := c.ask("workflow.cancel", workflowID, newID(), Fields{"reason": reason}, time.Minute, kind("answer"))
	return err
}

// Result waits for the run's end, however long it takes: who waits is in a host's memory, and so asks again.
func (c *Client) Result(target any, workflowID string) error {
	for {
		said, err := c.ask("workflow.result", workflowID, newID(), Fields{}, 20*time.Second, kind("result"))
		var refused *RequestError
		if errors.As(err, &refused) && (refused.Code == "moved" || refused.Code == "no_reply") {
			continue
		}
		if err != nil {
			return err
		}
		if said.Status != "completed" && said.Failure == nil {
			return &RequestError{Code: said.Status, Message: "the run was " + said.Status}
		}
		return outcome(said, target)
	}
}

func (c *Client) ask(
	name, workflowID, messageID string, fields Fields, patience time.Duration, awaited func(reply) bool,
) (reply, error) {
	replies := make(chan reply, 16)
	c.mutex.Lock()
	c.asked[messageID] = replies
	c.mutex.Unlock()
	defer func() {
		c.mutex.Lock()
		delete(c.asked, messageID)
		c.mutex.Unlock()
	}()
	fields["workflow_id"] = workflowID
	body, err := json.Marshal(fields)
	if err != nil {
		return reply{}, err
	}
	key := fmt.Sprintf("slot.%d", crc32.ChecksumIEEE([]byte(workflowID))%1024)
	message := amqp.Publishing{Type: name, MessageId: messageID, ReplyTo: c.replyQueue, Body: body}
	if err := c.publisher.publish("dalsegno.commands", key, message); err != nil {
		return reply{}, err
	}
	late := time.After(patience)
	for {
		select {
		case said := <-replies:
			if said.Error != nil {
				said.Error.Failure = said.Failure
				return said, said.Error
			}
			if awaited(said) {
				return said, nil
			}
		case <-late:
			return reply{}, &RequestError{Code: "no_reply", Message: "no reply to " + name}
		}
	}
}

func outcome(said reply, target any) error {
	if said.Failure == nil {
		return Decode(said.Result, target)
	}
	failure := struct{ Kind, Message string }{Kind: "application"}
	if err := json.Unmarshal(said.Failure, &failure); err != nil {
		return err
	}
	return &RequestError{failure.Kind, failure.Message, said.Failure}
}

func kind(awaited string) func(reply) bool {
	return func(said reply) bool { return said.Kind == awaited }
}

// list makes an array of nothing, too: null is none.
func list(args []any) []any { return append([]any{}, args...) }
