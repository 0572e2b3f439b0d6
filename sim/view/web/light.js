// A cheap look for machines that draw on the processor: light computed per vertex, shadows as flat outlines on the desk.
import * as THREE from "three";

/** software reports whether WebGL runs on the processor here; ?look=full and ?look=light in the URL decide otherwise. */
export function software() {
  const look = new URLSearchParams(location.search).get("look");
  if (look) return look === "light";
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl ? gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software/i.test(name);
}

const vertexShader = `
  uniform vec3 sunDirection, sunColour, skyColour, groundColour, fillDirection, fillColour;
  varying vec3 shade;
  void main() {
    vec3 n = normalize(mat3(modelMatrix) * normal);
    vec3 light = mix(groundColour, skyColour, 0.5 + 0.5 * n.z) + sunColour * max(dot(n, sunDirection), 0.0) + fillColour * max(dot(n, fillDirection), 0.0);
    shade = pow(min(color * light, 1.0), vec3(1.0 / 2.2));
    gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  }`;
const fragmentShader = "varying vec3 shade; void main() { gl_FragColor = vec4(shade, 1.0); }";

/** material is shared by all bodies; the lights are those of the full look over pi, as a diffuse surface reflects them. */
export function material() {
  const unit = (...v) => new THREE.Vector3(...v).normalize(), rgb = (hex, k) => new THREE.Color(hex).multiplyScalar(k);
  return new THREE.ShaderMaterial({
    vertexShader, fragmentShader, vertexColors: true,
    uniforms: {
      sunDirection: { value: unit(0.5, -0.9, 1.9) }, sunColour: { value: rgb("#fff6e8", 0.62) },
      skyColour: { value: rgb("#ffffff", 0.5) }, groundColour: { value: rgb("#aab2bd", 0.5) },
      fillDirection: { value: unit(0.2, 1.2, 1.2) }, fillColour: { value: rgb("#e8eefc", 0.17) },
    },
  });
}

/** flat is the matrix that throws a shadow onto the desk at height z, for light from the direction sun. */
export function flat(sun, z) {
  const m = new THREE.Matrix4(), { x, y, z: up } = sun;
  return m.set(1, 0, -x / up, (x / up) * z, 0, 1, -y / up, (y / up) * z, 0, 0, 0, z, 0, 0, 0, 1);
}
