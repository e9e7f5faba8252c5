// Package dalsegno is a worker and a client of dalsegno's wire protocol (docs/protocol.md), on AMQP and JSON alone.
package dalsegno

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Fields are those of a message. What is passed on unread stays raw.
type Fields map[string]any

// Every task queue has these arguments; the broker refuses others for a queue that exists.
var taskQueueArguments = amqp.Table{
	"x-queue-type":              "quorum",
	"x-delivery-limit":          20,
	"x-dead-letter-exchange":    "dalsegno.dead",
	"x-dead-letter-routing-key": "tasks",
	"x-dead-letter-strategy":    "at-least-once",
	"x-overflow":                "reject-publish",
}

var errUnreadable = errors.New("a payload cannot be read here: it is encrypted, or lies in a store")

// Decode reads a payload into what target points to: bytes into *[]byte, all else as encoding/json does.
func Decode(payload json.RawMessage, target any) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil || len(object) != 1 || object["$payload"] == nil {
		return json.Unmarshal(payload, target)
	}
	var labelled struct {
		Encoding string
		Data     []byte // base64, as encoding/json has it
	}
	if err := json.Unmarshal(object["$payload"], &labelled); err != nil {
		return err
	}
	switch bytes, wanted := target.(*[]byte); {
	case labelled.Encoding == "json/plain":
		return json.Unmarshal(labelled.Data, target)
	case labelled.Encoding == "binary/plain" && wanted:
		*bytes = labelled.Data
		return nil
	}
	return fmt.Errorf("%w (%s)", errUnreadable, labelled.Encoding)
}

// publisher publishes what must not be lost, on a confirming channel of its own.
type publisher struct {
	channel *amqp.Channel
	returns chan amqp.Return
	turn    chan struct{} // one at a time, so that what comes back is ours
}

func newPublisher(connection *amqp.Connection) (*publisher, error) {
	channel, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	returns := channel.NotifyReturn(make(chan amqp.Return, 1))
	return &publisher{channel, returns, make(chan struct{}, 1)}, channel.Confirm(false)
}

// publish returns when the broker has put the message into a queue, or an error.
func (p *publisher) publish(exchange, key string, message amqp.Publishing) error {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	message.DeliveryMode = amqp.Persistent
	if message.ContentType == "" {
		message.ContentType = "application/json"
	}
	confirm, err := p.channel.PublishWithDeferredConfirm(exchange, key, true, false, message)
	if err != nil {
		return err
	}
	acknowledged, err := confirm.WaitContext(context.Background())
	if err != nil {
		return err
	}
	select {
	case returned, open := <-p.returns: // it comes before the confirm
		if open {
			return fmt.Errorf("nobody receives %s %s: is the namespace there?", returned.Exchange, returned.RoutingKey)
		}
	default:
	}
	if !acknowledged {
		return errors.New("the broker has not taken the message")
	}
	return nil
}

func newID() string {
	id := make([]byte, 16)
	rand.Read(id)
	return fmt.Sprintf("%x", id)
}
