"""Tables of what was asked and answered, and what they can hold."""

SCHEMA = (
  """CREATE TABLE images (
    image TEXT PRIMARY KEY,
    score REAL NOT NULL,      -- mean over its patches, newest round
    height INTEGER NOT NULL,  -- pixels, where row and col count
    width INTEGER NOT NULL
  )""",
  """CREATE TABLE requests (
    id TEXT PRIMARY KEY,      -- image-r131-c355
    image TEXT NOT NULL REFERENCES images (image),
    row INTEGER NOT NULL,
    col INTEGER NOT NULL,
    patch INTEGER NOT NULL,
    score REAL NOT NULL,      -- of the patch
    pseudo_label INTEGER NOT NULL,
    round INTEGER NOT NULL,   -- 0: asked elsewhere, added with its answers
    model_step INTEGER NOT NULL
  )""",
  'CREATE INDEX requests_of_image ON requests (image)',
  # Positions in every patch of an image: of questions and of guesses.
  """CREATE TABLE drawn (
    image TEXT PRIMARY KEY,
    points BLOB NOT NULL      -- int16 rows and columns, little-endian
  ) WITHOUT ROWID""",
  # Patch scores of each image in each round.
  """CREATE TABLE scored (
    round INTEGER NOT NULL,
    image TEXT NOT NULL REFERENCES images (image),
    patches BLOB NOT NULL,    -- float32 scores, little-endian
    PRIMARY KEY (round, image)
  ) WITHOUT ROWID""",
  """CREATE TABLE answers (
    seq INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    answer TEXT NOT NULL
      CHECK (answer IN ('label', 'unsure', 'skip', 'undo')),
    label INTEGER CHECK (label BETWEEN 0 AND 255),
    annotator TEXT NOT NULL,
    seconds REAL,
    time TEXT NOT NULL,       -- when it was given: ISO 8601, UTC
    -- The part of `seconds` in which somebody was at work.
    active_seconds REAL,
    -- Whether the model's guess was hidden ('blind') or confirmed ('confirm'),
    -- or a dispute settled ('adjudicate'); NULL: nobody was asked on a page.
    mode TEXT CHECK (mode IN ('blind', 'confirm', 'adjudicate')),
    -- Chosen by whoever answers: an answer sent twice is recorded once.
    key TEXT,
    CHECK ((answer = 'label') = (label IS NOT NULL))
  )""",
  'CREATE INDEX answers_to_request ON answers (request_id, seq)',
  'CREATE UNIQUE INDEX answers_by_key ON answers (key)',
  """CREATE TRIGGER answers_stay BEFORE UPDATE ON answers
    BEGIN SELECT raise(ABORT, 'answers are only ever appended'); END""",
  """CREATE TRIGGER answers_remain BEFORE DELETE ON answers
    BEGIN SELECT raise(ABORT, 'answers are only ever appended'); END""",
  """CREATE TABLE leases (
    request_id TEXT NOT NULL REFERENCES requests (id),
    annotator TEXT NOT NULL,
    expires REAL NOT NULL,    -- seconds since 1970, UTC
    since REAL NOT NULL,      -- when first handed out, likewise
    PRIMARY KEY (request_id, annotator)
  ) WITHOUT ROWID""",
  """CREATE TABLE comments (
    seq INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES requests (id),
    annotator TEXT NOT NULL,
    text TEXT NOT NULL,       -- of the same person and point, the latest stands
    time TEXT NOT NULL,       -- when it was given: ISO 8601, UTC
    key TEXT                  -- as that of an answer
  )""",
  'CREATE INDEX comments_on_request ON comments (request_id, annotator)',
  'CREATE UNIQUE INDEX comments_by_key ON comments (key)',
  """CREATE TRIGGER comments_stay BEFORE UPDATE ON comments
    BEGIN SELECT raise(ABORT, 'comments are only ever appended'); END""",
  """CREATE TRIGGER comments_remain BEFORE DELETE ON comments
    BEGIN SELECT raise(ABORT, 'comments are only ever appended'); END""",
)

# Rows that this program does not write: types and values are checked because
# whoever forges a file can turn off its constraints.
WRONG = {
  'images': """typeof(image) != 'text' OR typeof(score) != 'real'
    OR typeof(height) != 'integer' OR typeof(width) != 'integer'""",
  'requests': """typeof(id) != 'text' OR typeof(score) != 'real'
    OR typeof(row) != 'integer' OR typeof(col) != 'integer'
    OR typeof(patch) != 'integer' OR patch < 0
    OR typeof(pseudo_label) != 'integer' OR pseudo_label NOT BETWEEN 0 AND 255
    OR typeof(round) != 'integer' OR typeof(model_step) != 'integer'
    OR image IN (SELECT image FROM requests EXCEPT SELECT image FROM images)
    OR row < 0 OR col < 0
    -- Most rows need no look at their own image.
    OR (row >= (SELECT min(height) FROM images)
        OR col >= (SELECT min(width) FROM images))
      AND NOT EXISTS (SELECT 1 FROM images WHERE image = requests.image
        AND row < height AND col < width)""",
  'scored': """typeof(round) != 'integer' OR typeof(image) != 'text'
    OR typeof(patches) != 'blob' OR length(patches) % 4""",
  'drawn': """typeof(image) != 'text'
    OR typeof(points) != 'blob' OR length(points) % 4""",
  'answers': """answer NOT IN ('label', 'unsure', 'skip', 'undo')
    OR (answer = 'label') != (label IS NOT NULL)
    OR label IS NOT NULL AND (typeof(label) != 'integer'
      OR label NOT BETWEEN 0 AND ? - 1 AND label != 255)
    OR typeof(annotator) != 'text' OR typeof(time) != 'text'
    OR ifnull(mode, 'blind') NOT IN ('blind', 'confirm', 'adjudicate')
    OR NOT ifnull(seconds, 0.0) BETWEEN 0 AND 1e9
    OR NOT ifnull(active_seconds, 0.0) BETWEEN 0 AND 1e9
    OR NOT EXISTS (SELECT 1 FROM requests WHERE id = request_id)""",
  'comments': """typeof(annotator) != 'text' OR typeof(text) != 'text'
    OR typeof(time) != 'text' OR length(text) > 500 OR instr(text, char(0))
    OR text GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'
    OR NOT EXISTS (SELECT 1 FROM requests WHERE id = request_id)""",
  'leases': """typeof(request_id) != 'text' OR typeof(annotator) != 'text'
    OR typeof(expires) != 'real' OR typeof(since) != 'real'""",
}
