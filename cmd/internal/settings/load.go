package settings

import "korr/configs"

// Load is configs.Fill from the defaults of the shipped recipe.
func Load(o configs.Options) (*Config, error) {
	c := Defaults()
	if err := configs.Fill(c, o); err != nil {
		return nil, err
	}
	return c, nil
}
