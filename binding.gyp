{
  # node-gyp and electron-rebuild come here and end in the same build as `npm install`: CMake knows the rest. The output
  # is never made, so that the action always runs.
  "targets": [
    {
      "target_name": "lenode",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake-js",
          "inputs": [],
          "outputs": ["never-made"],
          "action": ["npx", "--no-install", "cmake-js", "build"]
        }
      ]
    }
  ]
}
