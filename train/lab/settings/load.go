package settings

import "korr/configs"

// Load is configs.Fill from the defaults of the shipped recipe.
func Load(o configs.Options) (*Config, error) { return LoadOver(o, nil) }

// LoadOver is Load from other defaults: what follows from a task or its demonstrations stands below everything that
// anybody sets. change may be nil.
func LoadOver(o configs.Options, change func(*Config)) (*Config, error) {
	c := Defaults()
	if change != nil {
		change(c)
	}
	if err := configs.Fill(c, o); err != nil {
		return nil, err
	}
	return c, nil
}
