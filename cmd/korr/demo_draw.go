package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"

	"korr/internal/demo"
	"korr/internal/report"
	"korr/sim/mujoco/render"
	"korr/train/eval"
)

// draw renders an episode that was assembled and one of the base policy that failed.
func (d *demonstration) draw(ctx context.Context) error {
	every := 5
	if d.quick {
		every = 25
	}
	var episodes []demo.Shown
	frames, done := 0, 0
	for _, want := range []bool{true, false} {
		if shown, ok := demo.Pick(d.policies, d.report.Cells, want); ok {
			episodes = append(episodes, shown)
			frames += shown.Steps/every + 1
		}
	}
	p := d.progress("render", "frames", frames)
	count := func(*image.RGBA) error {
		done++
		p.set(min(done, frames), frames, "")
		return nil
	}
	for _, shown := range episodes {
		clip, err := d.film(ctx, shown.Condition, shown.Policy, shown.Seed, every, count)
		if errors.Is(err, render.ErrNoGL) || errors.Is(err, render.ErrNoEngine) {
			d.note("no pictures of episodes: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := png.Encode(&b, clip.Strip(stripColumns, panelWidth)); err != nil {
			return err
		}
		name, words := "failed", "fails"
		if clip.Result.Success {
			name, words = "assembled", "assembles the leg"
		}
		caption := fmt.Sprintf("%s %s%s (%d control steps, seed %d)", shown.Policy.Name, words, withPushes(shown.Condition),
			clip.Steps, shown.Seed)
		d.report.Pictures = append(d.report.Pictures, demo.Picture{
			File: name + ".png", Picture: report.Picture{Data: b.Bytes(), Alt: caption, Caption: caption},
		})
	}
	p.finish(fmt.Sprintf("%d frames", done))
	return nil
}

// stripColumns and panelWidth lay the key frames of an episode out: pictures to a row, and pixels.
const stripColumns, panelWidth = 3, 460

func withPushes(c eval.Condition) string {
	if c.Perturb > 0 {
		return " under perturbation"
	}
	return ""
}
