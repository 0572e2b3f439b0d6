// Package view shows a running simulation, or a recorded episode, in browsers: a page with a 3D scene, strip charts and
// controls, served from the binary, with poses over a websocket.
//
//	player, err := view.NewLive(mujoco.Config{Task: "one_leg"}, disturb.Config{}, policy, "korr")
//	session := view.NewSession(view.Config{Live: player, Seed: 1})
//	server, err := view.Listen("127.0.0.1:8080", session, logger)
//	err = server.Run(ctx)
//
// # Who waits for whom
//
// One goroutine, Session's, owns the player and paces it. It publishes the newest frame, the samples of the episode and
// the state to a board and never waits for a viewer. Every viewer has a goroutine that takes from the board what is new
// when its connection is ready for it: a slow viewer gets fewer frames, but every sample of the charts. Commands of all
// viewers meet in one queue; what one viewer does, all see.
//
// # Protocol, version 1
//
// A websocket at /ws. Text messages are JSON, binary ones little-endian and begin with their kind.
//
//	to the viewer
//	  {"type":"scene", ...}   once, and when another scene is played: bodies, geometry, names of phases, recordings
//	  {"type":"state", ...}   when something about the session changed
//	  {"type":"error", ...}   a command of this viewer was refused, and why
//	  1 frame    u8 1, u8 contacts follow, u16 bodies, u32 number of the frame, u32 control step, f32 time (s), then per
//	             body 3 f32 position (m) and 4 i16 quaternion x y z w (times 32767); then, for a viewer that shows
//	             contacts, u16 count, u16 0, and per contact 3 f32 position (m), 3 i16 normal (times 32767), i16 depth (um)
//	  2 samples  u8 2, u8 the episode begins anew, u16 bytes of a record, u32 records, then the records: u32 control step,
//	             f32 time (s), f32 reward so far, f32 norm of the residual, f32 innovation (NaN where there is none),
//	             u8 phase, u8 flags (1 target, 2 base, 4 ended, 8 success), u16 0, target and base: 7 f32 each,
//	             position (m) and quaternion x y z w of the tool, robot base frame
//	to the server, JSON, at most MaxCommand bytes, see Command
//	  {"cmd":"play"} {"cmd":"pause"} {"cmd":"step"} {"cmd":"reset","seed":"7"} {"cmd":"push","value":1}
//	  {"cmd":"perturb","value":1} {"cmd":"speed","value":0.5} {"cmd":"contacts","on":true} {"cmd":"loop","on":true}
//	  {"cmd":"open","recording":0,"episode":3} {"cmd":"seek","step":120} {"cmd":"live"}
//
// # Who may look
//
// Listen binds to the loopback interface unless another address is named, and then asks for a token that it makes and
// prints as part of the URL. A page of another origin is refused, and on the loopback interface so is any other host
// name, so that no page elsewhere can reach the server through the viewer's own browser.
//
// The page's 3D library is three.js 0.180.0 (MIT, web/vendor/three), the module files of its npm package as they are.
package view
