package dataset

// ReadInfo describes the dataset in a folder, and says how many episodes it has, without reading them. Its errors are
// Read's.
func ReadInfo(dir string) (Info, int, error) {
	j, info, err := readInfo(dir)
	if err != nil {
		return Info{}, 0, err
	}
	info.Task, err = readTask(dir)
	return info, j.TotalEpisodes, err
}
