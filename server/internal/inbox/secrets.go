package inbox

import (
	"fmt"

	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/internal/eventstream"
	"github.com/ostiary/ostiary/server/settings"
)

// NewSecrets reads the secrets of a faultless Config, and returns what puts them in force. It
// changes nothing by itself. A source that was not there when the Inbox was opened has none.
func (i *Inbox) NewSecrets(config settings.Config) (replace []func(), err error) {
	for _, source := range config.Sources() {
		for n := range i.sources {
			if i.sources[n].name != source.Name || i.sources[n].settings.Kind != source.Kind {
				continue // one that was not there at the start, or was another
			}
			more, err := i.newSecrets(&i.sources[n], source)
			if err != nil {
				return nil, fmt.Errorf("signals %s: %w", source.Name, err)
			}
			replace = append(replace, more...)
		}
	}
	return replace, nil
}

// newSecrets is NewSecrets for one source. All but its secrets is as it was at the start.
func (i *Inbox) newSecrets(running *source, read settings.SignalSource) (replace []func(), err error) {
	changed := running.settings
	changed.Secrets, changed.SecretsFile = read.Secrets, read.SecretsFile
	changed.ClientSecret, changed.ClientSecretFile = read.ClientSecret, read.ClientSecretFile
	if running.tokens != nil {
		tokens, err := changed.TokenSource(i.settings.Now)
		if err != nil {
			return nil, err
		}
		if tokens != nil {
			replace = append(replace, func() { running.tokens.Replace(tokens) })
		}
	}
	switch receiver := running.receiver.(type) {
	case *signals.Receiver:
		built, err := i.settings.Receiver(changed, running.keys, nil, i.sink)
		if err != nil {
			return nil, err
		}
		if by, ok := built.(*signals.Receiver); ok {
			replace = append(replace, func() { receiver.Replace(by) })
		}
	case eventstream.Pushed:
		built, err := i.settings.Receiver(changed, nil, nil, i.sink)
		if err != nil {
			return nil, err
		}
		if by, ok := built.(eventstream.Pushed); ok && !by.TakesSecretsOf(receiver.Stream) {
			replace = append(replace, func() {
				i.settings.Logger.Warn("a setting has changed that is taken over only by a restart", "setting", "signals."+running.name+".secrets")
			})
		}
	}
	return replace, nil
}
