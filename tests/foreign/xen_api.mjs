// Drives Xen Orchestra's XAPI client as its backups do; prints what it saw as one line of JSON.
// node xen_api.mjs URL USER PASSWORD TRANSPORT VM-UUID FOLDER

import { once } from 'node:events'
import { createReadStream, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from 'xen-api'

const [url, user, password, transport, uuid, folder] = process.argv.slice(2)
const xapi = createClient({ url, auth: { user, password }, transport, debounce: 20 })
const facts = {}

const save = async (path, query, name) => {
  const response = await xapi.getResource(path, { query })
  // Read without ever pausing: undici 6 dies of an assertion when a body that ends with the connection does so while
  // its parser is paused.
  const pieces = []
  response.body.on('data', piece => pieces.push(piece))
  await once(response.body, 'end')
  await response.task
  const file = join(folder, name)
  writeFileSync(file, Buffer.concat(pieces))
  return file
}

const send = (file, path, query) => {
  const stream = createReadStream(file)
  stream.length = statSync(file).size
  return xapi.putResource(stream, path, { query })
}

const gone = ref => xapi.getObjectByRef(ref, undefined) === undefined

// Connecting, and everything that there is
await xapi.connect()
await xapi.objectsFetched
const everything = Object.values(xapi.objects.all)
facts.types = [...new Set(everything.map(object => object.$type))].sort()
facts.pool = xapi.pool.name_label
const vm = xapi.getObjectByUuid(uuid)
facts.memory = vm.memory_static_max
facts.disks = vm.$VBDs.filter(vbd => vbd.type === 'Disk').map(vbd => vbd.$VDI.virtual_size)
facts.host = vm.$resident_on.$metrics.live

// Fields, and an error
await vm.update_other_config('xo:test', 'value')
facts.noted = (await xapi.barrier(vm.$ref)).other_config['xo:test']
await vm.update_other_config('xo:test', null)
facts.error = await xapi.getRecord('VM', 'OpaqueRef:nothing').catch(({ code, params }) => [code, ...params])

// A snapshot
const snapshotRef = await xapi.callAsync('VM.snapshot', vm.$ref, '[XO Backup] snapshot')
const snapshot = await xapi.barrier(snapshotRef)
facts.snapshot = [snapshot.name_label, snapshot.is_a_snapshot, snapshot.$snapshot_of.uuid]
const disks = snapshot.$VBDs.filter(vbd => vbd.type === 'Disk').map(vbd => vbd.$VDI)
facts.sources = disks.map(disk => disk.uuid)
facts.messages = Object.values(xapi.objects.indexes.type.message ?? {}).map(({ name }) => name)

// Exports
const image = await save('/export/', { ref: snapshotRef, use_compression: 'zstd' }, 'image.xva.zst')
const disk = await save('/export_raw_vdi/', { vdi: disks[0].$ref, format: 'vhd' }, 'disk.vhd')

// Imports
const [importedRef] = await send(image, '/import/', { sr_id: xapi.pool.default_SR })
const imported = await xapi.barrier(importedRef)
facts.imported = imported.$VBDs.filter(vbd => vbd.type === 'Disk').map(vbd => vbd.$VDI.uuid)
const vdiRef = await xapi.call('VDI.create', {
  name_label: 'restored',
  SR: xapi.pool.default_SR,
  virtual_size: disks[0].virtual_size,
  type: 'user',
  sharable: false,
  read_only: false,
  other_config: {},
})
await send(disk, '/import_raw_vdi/', { vdi: vdiRef, format: 'vhd' })
facts.restored = (await xapi.barrier(vdiRef)).uuid

// Deletion of the snapshot with its disks
await xapi.callAsync('VM.destroy', snapshotRef)
for (const { $ref } of disks) {
  await xapi.callAsync('VDI.destroy', $ref)
}
await xapi.barrier()
facts.gone = [snapshotRef, ...disks.map(({ $ref }) => $ref)].map(gone)

// A task that is cancelled
const task = await xapi.createTask('to be cancelled')
await xapi.call('task.set_status', task, 'cancelled')
facts.cancelled = await xapi.watchTask(task).catch(error => error.message)
while (!gone(task)) {
  await xapi.barrier()
}

await xapi.disconnect()
process.stdout.write(JSON.stringify(facts) + '\n')
