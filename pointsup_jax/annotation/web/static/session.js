// Who labels what, as the program says when the page opens.
export const IGNORE = 255; // the label of none of the classes

export const session = {
  run: '', header: '', annotator: null, classes: [], time: 0,
};
