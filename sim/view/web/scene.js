// The 3D scene: bodies from the scene message, poses from frames, markers of targets, contacts, names.
import * as THREE from "three";
import { OrbitControls } from "./vendor/three/OrbitControls.js";
import { flat, material as cheap, software } from "./light.js";

const cameras = {
  front: { from: [1.55, -1.07, 0.94], to: [0.39, 0.02, 0.25] },
  close: { from: [0.98, -0.46, 0.4], to: [0.46, 0.03, 0.08] },
  side: { from: [0.42, -1.35, 0.55], to: [0.36, 0, 0.26] },
  top: { from: [0.44, -0.02, 1.45], to: [0.45, 0, 0] },
};
const slow = software();
const sides = slow ? 18 : 36; // of round things
const trail = 25; // control steps of targets that are kept in sight
const maxContacts = 256;
const seeThrough = { transparent: true, opacity: 0.35, depthWrite: false }; // of ghosts: parts where the tracker shows them
const sun = new THREE.Vector3(0.5, -0.9, 1.9); // where the light comes from
const onDesk = flat(sun, 0.0006);

/** shape is a primitive's geometry in its own frame; sizes as MuJoCo has them, the axis is z. */
function shape(kind, [a, b, c]) {
  switch (kind) {
    case "box": return new THREE.BoxGeometry(2 * a, 2 * b, 2 * c);
    case "sphere": return new THREE.SphereGeometry(a, sides, sides / 2);
    case "ellipsoid": return new THREE.SphereGeometry(1, sides, sides / 2).scale(a, b, c);
    case "cylinder": return new THREE.CylinderGeometry(a, a, 2 * b, sides).rotateX(Math.PI / 2);
    case "capsule": return (a < 0.005 ? new THREE.CapsuleGeometry(a, 2 * b, 2, 8) : new THREE.CapsuleGeometry(a, 2 * b, 6, sides)).rotateX(Math.PI / 2);
    default: return null;
  }
}

/** merge makes one geometry with vertex colours out of a body's primitives: one draw call a body. */
function merge(geoms) {
  const parts = geoms.map((g) => {
    const one = shape(g.kind, g.size);
    one.applyMatrix4(new THREE.Matrix4().compose(new THREE.Vector3(...g.pos), new THREE.Quaternion(...g.quat), new THREE.Vector3(1, 1, 1)));
    return { one, n: one.attributes.position.count, rgb: new THREE.Color().setRGB(g.rgba[0], g.rgba[1], g.rgba[2], THREE.SRGBColorSpace) };
  });
  const total = parts.reduce((n, p) => n + p.n, 0), index = [];
  const position = new Float32Array(3 * total), normal = new Float32Array(3 * total), colour = new Float32Array(3 * total);
  let at = 0;
  for (const { one, n, rgb } of parts) {
    position.set(one.attributes.position.array, 3 * at);
    normal.set(one.attributes.normal.array, 3 * at);
    for (let i = 0; i < n; i++) rgb.toArray(colour, 3 * (at + i));
    for (const i of one.index.array) index.push(at + i);
    at += n;
  }
  const out = new THREE.BufferGeometry().setIndex(index);
  for (const [name, array] of [["position", position], ["normal", normal], ["color", colour]]) out.setAttribute(name, new THREE.BufferAttribute(array, 3));
  return out;
}

/** marker is where a tool should be: a ball with the axes of the gripper, and dots where it was before. */
function marker(size, order) {
  const group = new THREE.Group(), on = { depthTest: false, transparent: true };
  const ball = new THREE.Mesh(new THREE.SphereGeometry(size, 20, 14), new THREE.MeshBasicMaterial({ ...on, opacity: 0.95 }));
  const points = [[0, 0, 0], [0, 0, -0.07], [0, -0.035, -0.012], [0, 0.035, -0.012]].map((p) => new THREE.Vector3(...p));
  const axes = new THREE.LineSegments(new THREE.BufferGeometry().setFromPoints(points), new THREE.LineBasicMaterial({ ...on, opacity: 0.9 }));
  const path = new THREE.Points(new THREE.BufferGeometry(), new THREE.PointsMaterial({ ...on, opacity: 0.75, sizeAttenuation: false, size: 4 }));
  path.geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(3 * trail), 3));
  path.frustumCulled = false;
  group.add(ball, axes);
  for (const o of [ball, axes, path]) o.renderOrder = order;
  return { group, path, materials: [ball.material, axes.material, path.material] };
}

export class Stage {
  constructor(canvas, names) {
    this.canvas = canvas;
    this.names = names;
    this.cheap = slow; // see setCheap
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: !this.cheap, alpha: !this.cheap, powerPreference: "high-performance" });
    this.plain = cheap();
    this.shadowMaterial = new THREE.MeshBasicMaterial();
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = THREE.PCFSoftShadowMap;
    this.ratio = Math.min(devicePixelRatio, 2);
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(34, 1, 0.02, 12);
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.maxPolarAngle = 0.49 * Math.PI;
    this.controls.minDistance = 0.15;
    this.controls.maxDistance = 3.5;
    this.controls.addEventListener("change", () => { this.dirty = true; });
    this.lights();
    this.world = new THREE.Group();
    this.shadows = new THREE.Group(); // flat ones, of the cheap look
    this.scene.add(this.world, this.shadows);
    this.target = marker(0.006, 10);
    this.base = marker(0.0075, 9);
    this.contacts = this.makeContacts();
    this.scene.add(this.target.group, this.target.path, this.base.group, this.base.path, this.contacts.points, this.contacts.normals);
    this.bodies = [];
    this.show = { names: true, targets: true, contacts: false };
    this.frames = 0; // rendered since the page was opened
    this.paint();
    this.look("front");
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  lights() {
    this.sky = new THREE.HemisphereLight("#ffffff", "#aab2bd", 1.55);
    this.sun = new THREE.DirectionalLight("#fff6e8", 2.1);
    this.sun.position.set(0.4, 0, 0).add(sun);
    this.sun.target.position.set(0.4, 0, 0);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    Object.assign(this.sun.shadow.camera, { left: -0.75, right: 0.75, top: 0.75, bottom: -0.75, near: 0.5, far: 4 });
    this.sun.shadow.bias = -0.0006;
    this.sun.shadow.normalBias = 0.004;
    const fill = new THREE.DirectionalLight("#e8eefc", 0.55);
    fill.position.set(0.2, 1.2, 1.2);
    this.scene.add(this.sky, this.sun, this.sun.target, fill);
  }

  makeContacts() {
    const buffer = (n) => new THREE.BufferGeometry().setAttribute("position", new THREE.BufferAttribute(new Float32Array(3 * n), 3));
    const points = new THREE.Points(buffer(maxContacts), new THREE.PointsMaterial({ size: 6, sizeAttenuation: false, depthTest: false, transparent: true }));
    const normals = new THREE.LineSegments(buffer(2 * maxContacts), new THREE.LineBasicMaterial({ depthTest: false, transparent: true }));
    for (const o of [points, normals]) { o.frustumCulled = false; o.renderOrder = 11; o.visible = false; }
    return { points, normals };
  }

  /** setScene builds what there is to draw, in place of what there was. */
  setScene(scene) {
    this.world.traverse((o) => { o.geometry?.dispose(); o.userData.full?.dispose(); o.userData.plain?.dispose(); });
    this.world.clear();
    this.shadows.clear();
    this.names.replaceChildren();
    this.bodies = scene.bodies.map((b, i) => {
      const mesh = new THREE.Mesh(merge(scene.geoms.filter((g) => g.body === i)), new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.62, metalness: 0 }));
      mesh.castShadow = mesh.receiveShadow = !b.ghost;
      if (b.ghost) {
        Object.assign(mesh.material, seeThrough);
        mesh.userData.plain = new THREE.MeshBasicMaterial({ vertexColors: true, ...seeThrough });
      }
      this.world.add(mesh);
      const shadow = new THREE.Mesh(mesh.geometry, this.shadowMaterial);
      shadow.matrixAutoUpdate = false;
      shadow.frustumCulled = false;
      if (!b.ghost) this.shadows.add(shadow);
      return { mesh, shadow, ghost: b.ghost, label: b.part ? this.label(b.name) : null };
    });
    for (const g of scene.geoms.filter((g) => g.body < 0)) this.addFixed(g);
    this.setCheap(this.cheap);
  }

  /** setCheap chooses between shading every pixel, with shadows, and a look that a processor can draw. */
  setCheap(on) {
    this.cheap = on;
    this.renderer.shadowMap.enabled = this.sun.castShadow = !on;
    this.world.traverse((o) => {
      if (!o.isMesh) return;
      o.userData.full ??= o.material;
      o.material = on ? o.userData.plain ?? this.plain : o.userData.full;
    });
    this.shadows.visible = on;
    this.dirty = true;
  }

  addFixed(g) {
    let mesh;
    if (g.kind === "plane") {
      mesh = new THREE.Mesh(new THREE.CircleGeometry(g.size[0], 96), new THREE.MeshStandardMaterial({ roughness: 0.9 }));
      this.desk = mesh.material;
      this.deskPlain = mesh.userData.plain = new THREE.MeshBasicMaterial();
      this.deskColour = new THREE.Color().setRGB(g.rgba[0], g.rgba[1], g.rgba[2], THREE.SRGBColorSpace);
      mesh.position.set(...g.pos);
      this.paint();
    } else {
      mesh = new THREE.Mesh(merge([g]), new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.62 }));
      mesh.castShadow = true;
    }
    mesh.receiveShadow = true;
    this.world.add(mesh);
  }

  label(name) {
    const span = document.createElement("span");
    span.textContent = name;
    this.names.append(span);
    return span;
  }

  /** paint takes the colours of the page's theme. */
  paint() {
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim(), dark = document.documentElement.dataset.theme === "dark";
    for (const m of this.target.materials) m.color.set(colour("--accent"));
    for (const m of this.base.materials) m.color.set(colour("--base"));
    this.contacts.points.material.color.set(colour("--touch"));
    this.contacts.normals.material.color.set(colour("--touch"));
    this.sky.intensity = dark ? 1.0 : 1.55;
    this.sun.intensity = dark ? 1.7 : 2.1;
    if (this.desk) {
      this.desk.color.copy(this.deskColour).lerp(new THREE.Color(dark ? "#20262e" : "#ffffff"), dark ? 0.72 : 0.45);
      this.deskPlain.color.copy(this.desk.color).multiplyScalar(dark ? 0.8 : 1.05);
      this.shadowMaterial.color.copy(this.deskPlain.color).multiplyScalar(dark ? 0.55 : 0.72);
    }
    if (slow) this.scene.background = new THREE.Color(colour("--sky-low")); // opaque: three.js clears it black otherwise
    this.plain.uniforms.sunColour.value.setStyle("#fff6e8").multiplyScalar(dark ? 0.5 : 0.62);
    this.dirty = true;
  }

  look(name) {
    const c = cameras[name];
    this.camera.position.set(...c.from);
    this.controls.target.set(...c.to);
    this.controls.update();
    this.dirty = true;
  }

  setFrame(frame) {
    for (let i = 0; i < this.bodies.length && 7 * i < frame.poses.length; i++) {
      const p = frame.poses, { mesh } = this.bodies[i];
      mesh.position.set(p[7 * i], p[7 * i + 1], p[7 * i + 2]);
      mesh.quaternion.set(p[7 * i + 3], p[7 * i + 4], p[7 * i + 5], p[7 * i + 6]).normalize();
      mesh.updateMatrix();
      this.bodies[i].shadow.matrix.multiplyMatrices(onDesk, mesh.matrix);
    }
    this.setContacts(frame.contacts ?? []);
    this.dirty = true;
  }

  setContacts(list) {
    const { points, normals } = this.contacts, n = Math.min(list.length, maxContacts), at = points.geometry.attributes.position, ends = normals.geometry.attributes.position;
    for (let i = 0; i < n; i++) {
      const { pos, normal } = list[i];
      at.setXYZ(i, ...pos);
      ends.setXYZ(2 * i, ...pos);
      ends.setXYZ(2 * i + 1, pos[0] + 0.03 * normal[0], pos[1] + 0.03 * normal[1], pos[2] + 0.03 * normal[2]);
    }
    points.geometry.setDrawRange(0, n);
    normals.geometry.setDrawRange(0, 2 * n);
    at.needsUpdate = ends.needsUpdate = true;
    points.visible = normals.visible = this.show.contacts && n > 0;
  }

  /** setTargets shows the targets of sample i and the way they came. */
  setTargets(samples, i) {
    for (const [key, m] of [["target", this.target], ["base", this.base]]) {
      const pose = samples[i]?.[key];
      m.group.visible = m.path.visible = this.show.targets && !!pose;
      if (!pose) continue;
      m.group.position.set(pose[0], pose[1], pose[2]);
      m.group.quaternion.set(pose[3], pose[4], pose[5], pose[6]).normalize();
      const line = m.path.geometry.attributes.position;
      let n = 0;
      for (let k = Math.max(0, i - trail + 1); k <= i; k++) {
        const p = samples[k][key];
        if (p) line.setXYZ(n++, p[0], p[1], p[2]);
      }
      m.path.geometry.setDrawRange(0, n);
      line.needsUpdate = true;
    }
    this.dirty = true;
  }

  resize() {
    const { clientWidth: w, clientHeight: h } = this.canvas.parentElement;
    if (!w || !h) return;
    this.renderer.setPixelRatio(this.ratio);
    this.target.path.material.size = 3.5 * this.ratio;
    this.base.path.material.size = 6 * this.ratio; // below the target's: its rim is seen where they differ little
    this.contacts.points.material.size = 6 * this.ratio;
    this.renderer.setSize(w, h, false);
    this.camera.aspect = w / h;
    // A narrow window sees as much to the sides as one of this shape: the arm is whole on a phone, too.
    const wide = 1.1, fov = Math.tan((34 / 2) * Math.PI / 180) * Math.max(1, wide / this.camera.aspect);
    this.camera.fov = 2 * Math.atan(fov) * 180 / Math.PI;
    this.camera.updateProjectionMatrix();
    this.dirty = true;
  }

  /** lighten makes drawing cheaper for a machine that falls behind: first the cheap look, then fewer pixels. */
  lighten() {
    if (!this.cheap) this.setCheap(true);
    else if (this.ratio > 0.6) {
      this.ratio *= 0.85;
      this.resize();
    }
  }

  /** render draws if something changed. */
  render() {
    if (!this.dirty) return false;
    this.dirty = false;
    this.renderer.render(this.scene, this.camera);
    this.placeNames();
    this.frames++;
    return true;
  }

  placeNames() {
    const { clientWidth: w, clientHeight: h } = this.canvas, p = new THREE.Vector3();
    for (const { mesh, label } of this.bodies) {
      if (!label) continue;
      p.copy(mesh.position).project(this.camera);
      label.hidden = !this.show.names || p.z > 1;
      if (!label.hidden) label.style.transform = `translate(${(((p.x + 1) / 2) * w).toFixed(1)}px, ${(((1 - p.y) / 2) * h).toFixed(1)}px) translate(-50%, 14px)`;
    }
  }
}
