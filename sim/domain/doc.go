// Package domain draws how far the physics of one episode are from the nominal: domain randomisation (Tobin et al.
// 2017, arXiv 1703.06907; dynamics: Peng et al. 2018, arXiv 1710.06537). Every value is uniform over its range and
// comes from the stream (episode seed, "sim/domain", index), so an episode's physics are a function of its seed. Every
// value takes its draw even where its range is off: switching one range on leaves what the others draw as it was.
//
// The engine applies a Draw; an Env that does so is a Drawer, and Of finds it below any wrappers.
package domain
